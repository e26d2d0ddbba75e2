"""The records of TensorFlow's: tf.train.Example, read without TensorFlow.

Reference:
  TensorFlow, tensorflow/core/example/{example,feature}.proto.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from google.protobuf.message import DecodeError, Message

# A map is encoded as a repeated message of keys and values.
_DEFINITION = """
  name: "jatlas/example.proto" package: "jatlas" syntax: "proto3"
  message_type { name: "Bytes"
    field { name: "value" number: 1 type: TYPE_BYTES label: LABEL_REPEATED } }
  message_type { name: "Floats"
    field { name: "value" number: 1 type: TYPE_FLOAT label: LABEL_REPEATED } }
  message_type { name: "Ints"
    field { name: "value" number: 1 type: TYPE_INT64 label: LABEL_REPEATED } }
  message_type { name: "Feature"
    field { name: "bytes_list" number: 1 type_name: "Bytes" label: LABEL_OPTIONAL }
    field { name: "float_list" number: 2 type_name: "Floats" label: LABEL_OPTIONAL }
    field { name: "int64_list" number: 3 type_name: "Ints" label: LABEL_OPTIONAL } }
  message_type { name: "Entry"
    field { name: "key" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
    field { name: "value" number: 2 type_name: "Feature" label: LABEL_OPTIONAL } }
  message_type { name: "Features"
    field { name: "feature" number: 1 type_name: "Entry" label: LABEL_REPEATED } }
  message_type { name: "Example"
    field { name: "features" number: 1 type_name: "Features" label: LABEL_OPTIONAL } }
"""


def _message_class() -> type[Message]:
    file = text_format.Parse(_DEFINITION, descriptor_pb2.FileDescriptorProto())
    pool = descriptor_pool.DescriptorPool()  # its own: the real ones may be in the process too
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("jatlas.Example"))


_Example: Any = _message_class()


def read_example(record: bytes) -> dict[str, Any]:
    """Return the features of a serialized tf.train.Example by name.

    Args:
      record: the message.

    Returns:
      Bytes, ints or floats; a list of them for a feature that does not have just one.

    Raises:
      ValueError: if it is no such message.

    Example:
      >>> read_example(bytes.fromhex("0a0e0a0c0a01611207 1a050a0301022a".replace(" ", "")))
      {'a': [1, 2, 42]}
    """
    try:
        example = _Example.FromString(record)
    except DecodeError as error:
        raise ValueError("expected a tf.train.Example, got bytes that are none") from error
    found: dict[str, Any] = {}
    for entry in example.features.feature:
        feature = entry.value
        for values in (feature.bytes_list, feature.int64_list, feature.float_list):
            if values.value:
                found[entry.key] = values.value[0] if len(values.value) == 1 else [*values.value]
    return found
