"""Programs that are traced once for all processes: kept by what decides them."""

from jatlas.types.programs._describe import describe as describe
from jatlas.types.programs._program import Program as Program
from jatlas.types.programs._store import Store as Store
from jatlas.types.programs._store import keep_in as keep_in
from jatlas.types.programs._store import kept_number as kept_number
from jatlas.types.programs._surroundings import digest_of as digest_of
from jatlas.types.programs._surroundings import surroundings as surroundings
