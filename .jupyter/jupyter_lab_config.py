"""JupyterLab, started in the project's folder, opens the tour and looks for no news."""

from pathlib import Path

TOUR = Path("notebooks/00_tour.ipynb")

c = get_config()  # noqa: F821
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
if TOUR.exists():  # not in another folder
    c.LabApp.default_url = f"/lab/tree/{TOUR}"
