"""The site's pages, a file each: the function that finds what a page shows. `web/routes.py` has their URLs."""
