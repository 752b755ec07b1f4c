"""Small networks for sequences of unequal length, in Keras: an LSTM with masked pooling, and convolutions.

Both take padded steps and a mask, and give one logit a class. What lies behind a clip's end is set to zero
before anything reads it and left out of every mean, maximum and state, so a clip has the same logits whatever it
is padded with. There is no batch normalisation, which would mix clips and padding.
"""

from typing import Any

from vernal.studies.features.point_settings import NetworkOptions

_LEAST_LOGIT = -1e9


def build_network(options: NetworkOptions, n_dims: int, n_classes: int) -> Any:
    """A Keras model from `[x (n, n_steps, n_dims), mask (n, n_steps) bool]` to logits (n, n_classes)."""
    import keras

    x = keras.Input((None, n_dims), name="x")
    mask = keras.Input((None,), dtype="bool", name="mask")
    clean = only_sound(x, mask)
    steps, left = (
        _lstm(clean, mask, options)
        if options.model == "lstm"
        else _convolutions(clean, mask, n_dims, options)
    )
    pooled = keras.layers.Dropout(options.dropout)(pool(steps, left, options.pooling))
    logits = keras.layers.Dense(n_classes, name="logits")(pooled)
    return keras.Model([x, mask], logits, name=options.model)


def _lstm(x: Any, mask: Any, options: NetworkOptions) -> tuple[Any, Any]:
    import keras

    for _ in range(options.layers):
        x = keras.layers.Dropout(options.dropout)(x)
        layer = keras.layers.LSTM(options.units, return_sequences=True)
        x = (keras.layers.Bidirectional(layer) if options.bidirectional else layer)(x, mask=mask)
        # Keras says of a masked step's output only that it is not used; zero is what the next layer should see.
        x = only_sound(x, mask)
    return x, mask


def _convolutions(x: Any, mask: Any, n_dims: int, options: NetworkOptions) -> tuple[Any, Any]:
    """Convolutions over time and frequency, halved in time and divided by four in frequency between them."""
    import keras

    x = keras.ops.expand_dims(x, -1)
    widths = [max(4, options.units >> halvings) for halvings in reversed(range(options.layers))]
    for width in widths:
        x = keras.layers.Conv2D(width, 3, padding="same", activation="relu")(x)
        # Zeros behind the end are what "same" padding shows a clip that stands alone; after the ReLU they are also
        # never above a value, so the maximum of a window that reaches beyond the end is that of its sound.
        x = only_sound(x, mask)
        x = keras.layers.MaxPooling2D((2, min(4, n_dims)), padding="same")(x)
        n_dims, mask = -(-n_dims // min(4, n_dims)), mask[:, ::2]
        x = keras.layers.SpatialDropout2D(options.dropout / 2)(x)
    return keras.layers.Reshape((-1, n_dims * widths[-1]))(x), mask


def only_sound(x: Any, mask: Any) -> Any:
    """`x` (n, n_steps, ...) with zeros where `mask` (n, n_steps) is false, even in place of NaN."""
    from keras import ops

    for _ in range(len(x.shape) - 2):
        mask = ops.expand_dims(mask, -1)
    return ops.where(mask, x, ops.zeros_like(x))


def pool(x: Any, mask: Any, how: str) -> Any:
    """Steps (n, n_steps, width) as one vector (n, width), or (n, 2 * width) for `mean_max`; padding counts nothing."""
    from keras import ops

    part = ops.expand_dims(ops.cast(mask, x.dtype), -1)
    found = []
    if how in ("mean", "mean_max"):
        found.append(ops.sum(x * part, axis=1) / ops.maximum(ops.sum(part, axis=1), 1.0))
    if how in ("max", "mean_max"):
        found.append(ops.max(ops.where(ops.expand_dims(mask, -1), x, ops.full_like(x, _LEAST_LOGIT)), axis=1))
    if how == "last":
        # The last step of sound is the one whose successor is padding.
        after = ops.pad(part[:, 1:], [[0, 0], [0, 1], [0, 0]])
        found.append(ops.sum(x * (part - after), axis=1))
    return found[0] if len(found) == 1 else ops.concatenate(found, axis=-1)
