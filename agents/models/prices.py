"""What the models cost: the public list prices of the Claude API, as of 2026-11-30.

Source: https://platform.claude.com/docs/en/about-claude/pricing, in US dollars per million tokens, which is the same
number in millionths of a dollar per token. Cache writes live for five minutes: no others are asked for. Charges by the
call, such as for a search, are not counted. A gateway that renames the models has prices of its own, so its names are
not found here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

ANOTHER_VERSION = re.compile(r"-\d{1,2}(?!\d)|[.\w]")
"""What must not follow a name of the table: `claude-opus-4` is neither claude-opus-4-9 nor claude-opus-42."""


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars per million tokens; with a prompt of more than `threshold` tokens, `long` is the price of everything."""

    input: float
    output: float
    cache_write: float
    cache_read: float
    threshold: int = 0
    long: "Price | None" = None

    def cost(self, usage: Mapping[str, int]) -> float:
        """The cost in millionths of a dollar."""
        fresh, written, read = (usage.get(name, 0) for name in PROMPT_TOKENS)
        if self.long is not None and fresh + written + read > self.threshold:
            return self.long.cost(usage)
        prompt = fresh * self.input + written * self.cache_write + read * self.cache_read
        return prompt + usage.get("output_tokens", 0) * self.output


PROMPT_TOKENS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")

FABLE_5_2 = Price(8, 40, 10, 0.2)
FABLE_5_1 = Price(10, 50, 12.5, 0.25)
FABLE_5 = Price(10, 50, 12.5, 1)
OPUS_4_5 = Price(5, 25, 6.25, 0.5)
OPUS_4 = Price(15, 75, 18.75, 1.5)
SONNET_4 = Price(3, 15, 3.75, 0.3)

PRICES: Mapping[str, Price] = {
    "claude-fable-5-2": FABLE_5_2,
    "claude-mythos-5-2": FABLE_5_2,
    "claude-fable-5-1": FABLE_5_1,
    "claude-mythos-5-1": FABLE_5_1,
    "claude-fable-5": FABLE_5,
    "claude-mythos-5": FABLE_5,
    "claude-opus-5-5": Price(4, 20, 5, 0.2),
    "claude-opus-5": OPUS_4_5,
    "claude-opus-4-8": OPUS_4_5,
    "claude-opus-4-7": OPUS_4_5,
    "claude-opus-4-6": OPUS_4_5,
    "claude-opus-4-5": OPUS_4_5,
    "claude-opus-4-1": OPUS_4,
    "claude-opus-4-0": OPUS_4,
    "claude-opus-4": OPUS_4,
    "claude-3-opus": OPUS_4,
    "claude-sonnet-5-5": Price(2, 10, 2.5, 0.1),
    "claude-sonnet-5": Price(2, 10, 2.5, 0.2),
    "claude-sonnet-4-6": SONNET_4,
    "claude-sonnet-4-5": SONNET_4,
    "claude-sonnet-4-0": SONNET_4,
    "claude-sonnet-4": SONNET_4,
    "claude-3-7-sonnet": SONNET_4,
    "claude-3-5-sonnet": SONNET_4,
    "claude-haiku-5-5": Price(0.1, 0.5, 0.125, 0.01, threshold=100_000, long=Price(0.5, 2.5, 0.625, 0.05)),
    "claude-haiku-4-5": Price(1, 5, 1.25, 0.1),
    "claude-3-5-haiku": Price(0.8, 4, 1, 0.08),
    "claude-3-haiku": Price(0.25, 1.25, 0.3, 0.03),
}


def cost_of(model: str, usage: Mapping[str, int]) -> int | None:
    """The cost of a call in millionths of a US dollar, rounded; None when the model has no price here.

    The longest name in the table that `model` begins with counts: a dated snapshot costs as much as its model.
    """
    price = _price_of(model)
    return None if price is None else round(price.cost(usage))


@lru_cache(maxsize=256)
def _price_of(model: str) -> Price | None:
    names = [name for name in PRICES if model.startswith(name) and not ANOTHER_VERSION.match(model, len(name))]
    return PRICES[max(names, key=len)] if names else None
