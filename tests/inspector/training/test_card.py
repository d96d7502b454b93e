"""The model card says what was fitted on what, also where calibration pieces or the joint stage were used."""

import pytest
import torch

from fusion.head import FusionHead, HeadForm, Member
from inspector.training.card import ModelCardData, model_card
from inspector.training.config import TrainConfig
from inspector.training.dataset import Dataset
from inspector.training.head.fit import FittedHead
from tests.certificates import claimless
from tests.inspector.training.test_dataset import manifest

pytestmark = pytest.mark.train


def card_data(*, refitted: bool, joint: bool) -> ModelCardData:
    head = FittedHead(
        FusionHead(HeadForm((Member("top", 1), Member("mic", 1)), 8, 0)), 0, torch.zeros(1, 1), {0: 0.5}, joint
    )
    certificate = claimless(of_these_encoders=not refitted)
    return ModelCardData((), (), head, ("All experts run.",), certificate)


@pytest.mark.parametrize(
    ("refitted", "joint", "sentence", "absent"),
    [
        (False, False, "on the calibration split, which no encoder saw", "together"),
        (True, False, "Fitted on the training and the calibration split together", "which no encoder saw"),
        (False, True, "Fitted together with the experts", "on the calibration split"),
    ],
)
def test_the_card_says_what_was_fitted_on_what(tmp_path, refitted, joint, sentence, absent):
    dataset = Dataset(manifest(tmp_path, ("train", "calibration")))
    card = model_card(dataset, TrainConfig(), card_data(refitted=refitted, joint=joint))
    assert sentence in card
    assert absent not in card
