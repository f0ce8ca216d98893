"""What promptlog stores, and the checks a value passes on its way in.

`checks`, `content` and `encode` are on the path of every logged request and import nothing heavy; the pydantic
models in `record` and `request` are for those who read.
"""
