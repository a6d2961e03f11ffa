"""Pages for people in the process of the API: what series there are, and what became of one.

Rendered here and complete without JavaScript. What is read and done is the worker's business; the modules named
`..._page` make of it what a template shows, and are pure. Who may see what is auth.py's business, for pages as for
programs; session.py only keeps a key that was entered once.
"""
