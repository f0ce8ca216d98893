"""Requests of protobuf whose texts are not all UTF-8: Python's reader refuses them whole, most senders do not look.

They are read by the same messages with bytes in place of text, mended, and written again.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

if TYPE_CHECKING:
    from google.protobuf.descriptor import FileDescriptor


def mended(data: bytes, kind: Any) -> bytes:
    """Return a request, of a class of protobuf's, with what is no UTF-8 in its texts replaced.

    Raises:
        DecodeError: it is no request of this kind whatever its texts are.
    """
    lenient, texts = _lenient(kind)
    request = lenient.FromString(data)
    _mend(request, texts)
    return bytes(request.SerializeToString())


def _mend(message: Any, texts: set[str]) -> None:
    for field, value in message.ListFields():
        one = isinstance(value, bytes | Message)
        items = [value] if one else value
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for item in items:
                _mend(item, texts)
        elif field.full_name in texts:
            right = [item.decode("utf-8", "replace").encode() for item in items]
            if one:
                setattr(message, field.name, right[0])
            else:
                value[:] = right


@cache
def _lenient(kind: Any) -> tuple[type[Message], set[str]]:
    """Return a kind of message with bytes in place of text, and the names of the fields that are text."""
    pool, texts, added = DescriptorPool(), set[str](), set[str]()

    def add(file: FileDescriptor) -> None:
        if file.name in added:
            return
        added.add(file.name)
        for needed in file.dependencies:
            add(needed)
        copy = FileDescriptorProto()
        file.CopyToProto(copy)
        for message in copy.message_type:
            for field in message.field:
                if field.type == FieldDescriptorProto.TYPE_STRING:
                    field.type = FieldDescriptorProto.TYPE_BYTES
                    texts.add(f"{copy.package}.{message.name}.{field.name}")
        pool.AddSerializedFile(copy.SerializeToString())

    add(kind.DESCRIPTOR.file)
    return GetMessageClass(pool.FindMessageTypeByName(kind.DESCRIPTOR.full_name)), texts
