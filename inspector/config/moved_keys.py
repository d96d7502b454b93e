"""Takes keys of earlier versions from where they stood to where they stand now."""

import logging
from collections.abc import Mapping

log = logging.getLogger("inspector.config")


def with_moved_keys(values: Mapping[str, object]) -> dict[str, object]:
    """`[access.oidc] page_url` is `[web] public_url`, which wins where both are given."""
    access, web = values.get("access"), values.get("web", {})
    oidc = access.get("oidc") if isinstance(access, dict) else None
    if not (isinstance(access, dict) and isinstance(oidc, dict) and isinstance(web, dict) and "page_url" in oidc):
        return dict(values)
    log.warning("[access.oidc] page_url is called [web] public_url now: move it there.")
    others = {key: value for key, value in oidc.items() if key != "page_url"}
    return {
        **values,
        "access": {**access, "oidc": others},
        "web": {"public_url": oidc["page_url"], **web},
    }
