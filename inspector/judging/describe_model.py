"""Describes the model that judges by a recipe, as `GetModel` answers. Runs nothing."""

from inspector.bundle.load import DIGEST_DIGITS
from inspector.inference.fallback import current_model
from inspector.judging.active_models import DeployedModel
from inspector.recipe.recipe import Recipe
from protos.inspection.v1.service_pb2 import GetModelResponse, ModelExpert


def describe_model(recipe: Recipe, placed: DeployedModel) -> GetModelResponse:
    model, schema = current_model(placed.model), placed.model.schema
    return GetModelResponse(
        bundle=schema.name,
        bundle_version=schema.version,
        engine=model.engine,
        classes=schema.classes,
        experts=[
            ModelExpert(name=e.name, modality=e.modality, scout=e.scout, cost_ms=e.cost_ms) for e in schema.experts
        ],
        model_card=model.bundle.model_card,
        recipe=recipe.name,
        recipe_version=recipe.version,
        bundle_digest=model.bundle.digest[:DIGEST_DIGITS],
        deployment=placed.number,
    )
