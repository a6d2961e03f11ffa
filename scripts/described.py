"""What is said of each setting: it stands in settings.py, and no program at work reads it."""

import ast
import inspect
from itertools import pairwise

from recurrence_pipeline.config.settings import Settings


def descriptions() -> dict[str, str]:
    """Return what stands in the field of each setting, or below it, by the name of its variable."""
    tree = ast.parse(inspect.getsource(Settings))
    (definition,) = (node for node in tree.body if isinstance(node, ast.ClassDef))
    below = {
        field.target.id: ast.literal_eval(text.value)
        for field, text in pairwise(definition.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr)
    }
    return {str(field.alias): field.description or below[name] for name, field in Settings.model_fields.items()}
