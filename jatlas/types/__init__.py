"""What signatures share: names of types, checks of arguments, random keys, how to run.

`jatlas.types.programs` keeps traces of programs between processes.
"""

from jatlas.types import checks as checks
from jatlas.types._keys import GENERATOR as GENERATOR
from jatlas.types._keys import as_key as as_key
from jatlas.types._mapped import blocks as blocks
from jatlas.types._mapped import release as release
from jatlas.types._mapped import take as take
from jatlas.types._messages import one_line as one_line
from jatlas.types._names import Array as Array
from jatlas.types._names import HostArray as HostArray
from jatlas.types._names import Key as Key
from jatlas.types._names import Params as Params
from jatlas.types._processes import Handlers as Handlers
from jatlas.types._processes import ProcessError as ProcessError
from jatlas.types._processes import Processes as Processes
from jatlas.types._processes import client as client
from jatlas.types._processes import meet as meet
from jatlas.types._processes import process_count as process_count
from jatlas.types._processes import process_index as process_index
from jatlas.types._processes import sharing as sharing
from jatlas.types._processes import together as together
from jatlas.types._progress import progress_bar as progress_bar
from jatlas.types._run import Run as Run
from jatlas.types._threads import in_order as in_order
from jatlas.types._urls import is_url as is_url
