"""The demo's load: invented but lifelike requests, logged by a process of its own.

`python -m promptlog.cli.demo_load STORE SEED REQUESTS` says "ready", waits for a line on stdin so that all
processes start together, logs, and prints what it took as JSON.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from typing import Any

from promptlog.client import PromptLog

#: Provider, model, share of the requests, median seconds, US dollars for a million tokens in and out (invented).
_MODELS = (
    ("openai", "gpt-4o-mini", 50, 0.7, 0.15, 0.60),
    ("openai", "gpt-4o", 20, 1.4, 2.50, 10.00),
    ("anthropic", "claude-sonnet-4", 20, 1.9, 3.00, 15.00),
    ("ollama", "llama3.1:8b", 10, 2.6, 0.0, 0.0),
)
#: Prompt template, what a user asks, what the model answers.
_TALKS = (
    (
        "support-answer",
        "My parcel {n} has not arrived. Where is it?",
        "I am sorry about the wait. Parcel {n} left our depot yesterday and should reach you by tomorrow evening.",
    ),
    (
        "cake-recipe",
        "A chocolate cake for {n} people, please.",
        "For {n} people: melt 200 g of chocolate with 150 g of butter, fold in 4 eggs, 120 g of sugar and 60 g of "
        "flour, and bake at 180 °C for 25 minutes.",
    ),
    (
        "summarise",
        "Summarise report {n} in one sentence.",
        "Report {n} finds that costs fell by a tenth while usage doubled.",
    ),
    (
        "sql-helper",
        "How do I count the orders of customer {n}?",
        "SELECT count(*) FROM orders WHERE customer_id = {n};",
    ),
)
_SYSTEM = "You are a helpful assistant. Answer briefly."
USERS = 150
_WEEK_S = 7 * 86_400.0
_FAILED, _PRODUCTION = 0.02, 0.8


def invented_request(dice: random.Random, now: float) -> dict[str, Any]:
    """Return the arguments of `log_request` for one call within the week before `now` (epoch seconds)."""
    provider, model, _, median_s, usd_in, usd_out = dice.choices(_MODELS, [m[2] for m in _MODELS])[0]
    template, question, answer = dice.choice(_TALKS)
    number = dice.randrange(2, 9000) if template != "cake-recipe" else dice.randrange(4, 13)
    user = min(int(dice.paretovariate(0.8)), USERS)  # few users ask much, many ask little
    took_s = dice.lognormvariate(0, 0.45) * median_s
    start = now - dice.random() * _WEEK_S - took_s
    tokens_in, tokens_out = dice.randrange(60, 1800), dice.randrange(20, 600)
    failed = dice.random() < _FAILED
    request = {
        "provider": provider,
        "model": model,
        "input": [
            {"role": "system", "content": _SYSTEM},
            {"role": "user", "content": question.format(n=number)},
        ],
        "output": None if failed else {"role": "assistant", "content": answer.format(n=number)},
        "request_start_time": start,
        "request_end_time": start + took_s,
        "parameters": {"temperature": 0.7, "max_tokens": 600},
        "metadata": {
            "user_id": f"user_{user:03d}",
            "session_id": f"sess_{dice.getrandbits(32):08x}",
            "plan": "free" if user % 3 else "pro",
        },
        "tags": ["production" if dice.random() < _PRODUCTION else "staging"],
        "prompt_name": template,
        "prompt_version_number": dice.randrange(1, 4),
        "input_tokens": tokens_in,
        "output_tokens": 0 if failed else tokens_out,
        "price": round((tokens_in * usd_in + (0 if failed else tokens_out) * usd_out) / 1e6, 6),
    }
    if failed:
        request |= {
            "status": "ERROR",
            "error_type": "RateLimitError",
            "error_message": "429: try again later",
        }
    return request


def main(path: str, seed: int, requests: int) -> None:
    """Log as one of several processes."""
    dice = random.Random(seed)  # noqa: S311 - the same demo every time
    client = PromptLog(path)
    invented = [invented_request(dice, time.time()) for _ in range(requests)]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    if not sys.stdin.readline():  # who started us is gone
        return
    began = time.perf_counter()
    for request in invented:
        client.log_request(**request)
    took_s = time.perf_counter() - began
    sys.stdout.write(json.dumps({"pid": os.getpid(), "requests": requests, "seconds": took_s}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
