"""Viewing and exporting an atlas: the page, the server, the notebook widget, figures, tables."""

from jatlas.show._export import ONE_FILE as ONE_FILE
from jatlas.show._export import PAGE as PAGE
from jatlas.show._export import export as export
from jatlas.show._export import export_folder as export_folder
from jatlas.show._export import export_html as export_html
from jatlas.show._export import has_page as has_page
from jatlas.show._figures import plot_sweep as plot_sweep
from jatlas.show._overview import overview as overview
from jatlas.show._pack import PackConfig as PackConfig
from jatlas.show._pack import Part as Part
from jatlas.show._pack import pack as pack
from jatlas.show._server import serving as serving
from jatlas.show._table import to_csv as to_csv
from jatlas.show._table import to_json as to_json
from jatlas.show._table import to_parquet as to_parquet
from jatlas.show._view import view as view
from jatlas.show._widget import widget as widget
