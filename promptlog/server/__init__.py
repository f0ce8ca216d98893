"""One local process with three doors: pages for people, PromptLayer's REST for its SDK, OTLP for any language.

`app.make_app` makes it of a client; `running.serve` serves it. Nothing else needs it: the store stays embedded.
"""
