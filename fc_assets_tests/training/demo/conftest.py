"""What tests of the embedded model share: its tokenizer by its own class, and a tool."""

import pytest
from transformers import Qwen2Tokenizer

from fc_assets.profiles import EMBEDDED

GET_WEATHER = {
    "name": "get_weather",
    "description": "Current weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string", "description": "City."}}},
}


@pytest.fixture(scope="module")
def tokenizer() -> Qwen2Tokenizer:
    return Qwen2Tokenizer.from_pretrained(EMBEDDED)
