"""One module a page, each with a list `routes`. A page named `x` has `templates/x.html` and `static/x.js`."""

import inspector.web.numbers  # noqa: F401 - paths hold `{name:number}`
