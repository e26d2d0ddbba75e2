"""Viewing and exporting an atlas."""

from jatlas.show._export import PAGE as PAGE
from jatlas.show._export import export_folder as export_folder
from jatlas.show._export import export_html as export_html
from jatlas.show._export import has_page as has_page
from jatlas.show._pack import PackConfig as PackConfig
from jatlas.show._pack import pack as pack
from jatlas.show._server import serve as serve
from jatlas.show._server import serving as serving
