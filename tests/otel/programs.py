"""Programs that call a model through a real SDK, one for each instrumentation; each prints what its store then holds.

They run in processes of their own: an instrumentation patches what it instruments.
"""

from __future__ import annotations

#: What every program begins with: a store, the questions, and what is said of the answers.
BEGIN = """
import json
from promptlog import context, otel
client = PromptLog(ARGS[0])
BASE = ARGS[1]  # where the provider listens

def ask(behaviour, call):
    "Make a call to a provider that fares so; whatever it raises is the program's."
    try:
        answer = call(BASE.format(behaviour))
        for _ in answer if not hasattr(answer, "model_dump") else ():
            pass
    except Exception as error:
        assert behaviour == "~status=429/", error

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
SYSTEM = {"role": "system", "content": "Be brief."}
USER = {"role": "user", "content": "Hello there"}

def call_openai(OpenAI):
    "Ask four times: plainly, as a stream, with a tool, and where the provider refuses."
    def create(**more):
        return lambda base: OpenAI(base_url=base + "v1", api_key="sk", max_retries=0).chat.completions.create(
            model="gpt-4o-mini", messages=[SYSTEM, USER], temperature=0.5, **more)
    tool = {"type": "function", "function": {"name": "weather", "description": "Of a city.", "parameters": SCHEMA}}
    ask("~cached=2/", create())
    ask("~cached=2/", create(stream=True, stream_options={"include_usage": True}))
    ask("~cached=2/", create(tools=[tool]))
    ask("~status=429/", create())

def call_anthropic(Anthropic):
    def create(**more):
        return lambda base: Anthropic(base_url=base, api_key="sk", max_retries=0).messages.create(
            model="gpt-4o-mini", system="Be brief.", messages=[USER], max_tokens=50, **more)
    tool = {"name": "weather", "description": "Of a city.", "input_schema": SCHEMA}
    ask("~cached=2/", create())
    ask("~cached=2/", create(stream=True))
    ask("~cached=2/", create(tools=[tool]))
    ask("~status=429/", create())

def around(tracer):
    "A span that says who asks, and the block that says more."
    attributes = {"user.id": "user_123", "gen_ai.conversation.id": "sess_abc"}
    return tracer.start_as_current_span("POST /ask", attributes=attributes)

class Receiver:
    "What an OTLP exporter sends over HTTP, into the store."

    def __init__(self):
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.path.endswith("/v1/traces"):
                    otel.import_otlp(client, body)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_port}"

def words(content, role):
    for message in (content or {}).get("messages") or ():
        if message.get("role") == role:
            return " ".join(block.get("text", "") for block in message.get("content") or ())
    return None

def calls(content):
    for message in (content or {}).get("messages") or ():
        for call in message.get("tool_calls") or ():
            arguments = call["function"]["arguments"]
            return [call["function"]["name"], json.loads(arguments) if isinstance(arguments, str) else arguments]
    return None

def fields(request):
    return {
        "provider": request.provider,
        "model": request.model,
        "api_type": request.api_type,
        "status": request.status,
        "error_type": request.error_type,
        "system": words(request.input, "system"),
        "user": words(request.input, "user"),
        "tools": [tool.get("function", tool).get("name") for tool in (request.input or {}).get("tools") or ()] or None,
        "assistant": words(request.output, "assistant") or None,
        "tool_call": calls(request.output),
        "temperature": (request.parameters or {}).get("temperature"),
        "input_tokens": request.input_tokens,
        "output_tokens": request.output_tokens,
        "cached_tokens": request.cached_tokens,
        "finish_reason": request.finish_reason,
        "user_id": request.metadata.get("user_id"),
        "conversation_id": request.metadata.get("conversation_id"),
        "plan": request.metadata.get("plan"),
        "tags": request.tags,
        "in a trace": bool(request.trace_id and request.span_id),
    }

def tell():
    for request in sorted(client.requests, key=lambda request: request.start_time):
        say(json.dumps(fields(request)))
"""

_OURS = """
provider = otel.setup(client)
{instrument}
with around(provider.get_tracer("shop")), context(metadata={{"plan": "pro"}}, tags=["production"]):
    {call}
tell()
"""
_OPENAI = "import openai; call_openai(openai.OpenAI)"
_ANTHROPIC = "import anthropic; call_anthropic(anthropic.Anthropic)"
_V2 = "from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor; OpenAIInstrumentor().instrument()"

#: Each program by the name of its instrumentation, with the module that must be there.
PROGRAMS: dict[str, tuple[str, str]] = {
    "opentelemetry-instrumentation-openai-v2": (
        "opentelemetry.util.genai.instruments",
        _OURS.format(instrument=_V2, call=_OPENAI),
    ),
    "opentelemetry-instrumentation-openai-v2, messages as logs": (
        "opentelemetry.util.genai.instruments",
        "os.environ['OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT'] = 'true'\n"
        + _OURS.format(instrument=_V2, call=_OPENAI),
    ),
    "opentelemetry-instrumentation-genai-openai": (
        "opentelemetry.util.genai._conversation_context",
        _OURS.format(
            instrument="from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor; OpenAIInstrumentor().instrument()",
            call=_OPENAI,
        ),
    ),
    "openinference-instrumentation-openai": (
        "openinference.instrumentation.openai",
        _OURS.format(
            instrument="from openinference.instrumentation.openai import OpenAIInstrumentor; OpenAIInstrumentor().instrument()",
            call=_OPENAI,
        ),
    ),
    "opentelemetry-instrumentation-openai (Traceloop)": (
        "opentelemetry.instrumentation.openai",
        _OURS.format(
            instrument="from opentelemetry.instrumentation.openai import OpenAIInstrumentor; OpenAIInstrumentor().instrument()",
            call=_OPENAI,
        ),
    ),
    "openinference-instrumentation-anthropic": (
        "openinference.instrumentation.anthropic",
        _OURS.format(
            instrument="from openinference.instrumentation.anthropic import AnthropicInstrumentor; AnthropicInstrumentor().instrument()",
            call=_ANTHROPIC,
        ),
    ),
    "anthropic by itself": (
        "anthropic",
        _OURS.format(
            instrument="os.environ['ANTHROPIC_OPEN_TELEMETRY_TRACES_CONTENT_MODE'] = 'content'",
            call=_ANTHROPIC,
        ),
    ),
    "langfuse, by OTLP": (
        "langfuse",
        """
from langfuse import Langfuse, propagate_attributes
from langfuse.openai import OpenAI
traced = Langfuse(public_key="pk", secret_key="sk", base_url=Receiver().url)
who = propagate_attributes(user_id="user_123", session_id="sess_abc", metadata={"plan": "pro"}, tags=["production"])
with traced.start_as_current_observation(name="POST /ask", as_type="span"), who:
    call_openai(OpenAI)
traced.flush()
tell()
""",
    ),
    "promptlayer, by OTLP": (
        "opentelemetry.util.genai._conversation_context",
        """
import promptlayer
provider = promptlayer.instrument_openai(api_key="pl", base_url=Receiver().url)
provider.add_span_processor(otel.PromptLogSpanProcessor())
with around(provider.get_tracer("shop")), context(metadata={"plan": "pro"}, tags=["production"]):
    import openai
    call_openai(openai.OpenAI)
provider.force_flush()
tell()
""",
    ),
}
