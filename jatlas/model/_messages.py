"""The few protobuf messages that weight files consist of.

Only the fields that are read are declared, with the numbers of caffe's and TensorFlow's public
definitions; the runtime skips the others. So neither caffe, TensorFlow nor generated code is
needed. They are in a pool of their own, and do not clash with the real ones in one process.

Reference:
  src/caffe/proto/caffe.proto of BVLC caffe and, for the raw data, of NVIDIA's branch caffe-0.17;
  TensorFlow, tensorflow/core/framework/{graph,node_def,attr_value,tensor,tensor_shape}.proto.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

# A field is (name, number, type). "[]" marks a repeated field, a capital a message of this table.
_Field = tuple[str, int, str]

_MESSAGES: dict[str, tuple[_Field, ...]] = {
    # caffe
    "BlobShape": (("dim", 1, "int64[]"),),
    "BlobProto": (
        ("num", 1, "int32"),
        ("channels", 2, "int32"),
        ("height", 3, "int32"),
        ("width", 4, "int32"),
        ("data", 5, "float[]"),
        ("shape", 7, "BlobShape"),
        ("double_data", 8, "double[]"),
        ("raw_data_type", 10, "int32"),  # an enum in the original, with the same encoding
        ("raw_data", 12, "bytes"),
    ),
    "V1LayerParameter": (("name", 4, "string"), ("blobs", 6, "BlobProto[]")),
    "LayerParameter": (("name", 1, "string"), ("blobs", 7, "BlobProto[]")),
    "NetParameter": (
        ("name", 1, "string"),
        ("layers", 2, "V1LayerParameter[]"),
        ("layer", 100, "LayerParameter[]"),
    ),
    # TensorFlow
    "Dim": (("size", 1, "int64"),),
    "TensorShapeProto": (("dim", 2, "Dim[]"),),
    "TensorProto": (
        ("dtype", 1, "int32"),  # an enum in the original, with the same encoding
        ("tensor_shape", 2, "TensorShapeProto"),
        ("tensor_content", 4, "bytes"),
        ("float_val", 5, "float[]"),
        ("double_val", 6, "double[]"),
        ("half_val", 13, "int32[]"),
    ),
    "AttrValue": (("tensor", 8, "TensorProto"),),
    # A map is encoded as a repeated message of keys and values.
    "AttrEntry": (("key", 1, "string"), ("value", 2, "AttrValue")),
    "NodeDef": (("name", 1, "string"), ("op", 2, "string"), ("attr", 5, "AttrEntry[]")),
    "GraphDef": (("node", 1, "NodeDef[]"),),
}


def _field(name: str, number: int, kind: str) -> descriptor_pb2.FieldDescriptorProto:
    field = descriptor_pb2.FieldDescriptorProto(name=name, number=number)
    repeated = kind.endswith("[]")
    field.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
    kind = kind.removesuffix("[]")
    if kind in _MESSAGES:
        field.type, field.type_name = field.TYPE_MESSAGE, f".jatlas.{kind}"
    else:
        field.type = field.Type.Value(f"TYPE_{kind.upper()}")
    return field


def _classes() -> dict[str, type[Message]]:
    # proto3: it checks that strings are text while parsing, writes numbers packed, and reads them
    # packed or not.
    file = descriptor_pb2.FileDescriptorProto(
        name="jatlas/weights.proto", package="jatlas", syntax="proto3"
    )
    for name, fields in _MESSAGES.items():
        file.message_type.add(name=name, field=[_field(*field) for field in fields])
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"jatlas.{name}"))
        for name in _MESSAGES
    }


_CLASSES = _classes()
NetParameter = _CLASSES["NetParameter"]
GraphDef = _CLASSES["GraphDef"]
