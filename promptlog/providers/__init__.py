"""Models to call: OpenAI's SDK and addresses that speak as OpenAI, Anthropic's SDK, and any Python callable.

`protocol` says what a provider is; each format and each provider is a page. No package of a provider is imported
before one is called or wrapped.
"""
