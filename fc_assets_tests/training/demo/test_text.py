"""What the embedded model is pre-trained on: clean text in Qwen3's template, none of it from the demo."""

from itertools import islice

from fc_assets.calls.parse import parse_strict
from fc_assets.data.sources.generator import generate_rows
from fc_assets.profiles import EMBEDDED
from fc_assets.training.demo.text import (
    DEMO_SEED,
    TaughtConversation,
    chat_template,
    demo_queries,
    echo_texts,
    render,
    request_texts,
)
from fc_assets_tests.training.demo.conftest import GET_WEATHER


def test_template_is_qwen3s_and_renders_what_the_model_was_taught_on(tokenizer):
    assert (EMBEDDED / "chat_template.jinja").read_text(encoding="utf-8") == chat_template()
    rendered = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Check the weather in Oslo"}],
        tools=[{"type": "function", "function": GET_WEATHER}],
        add_generation_prompt=True,
        tokenize=False,
    )
    assert rendered == render("Check the weather in Oslo", [GET_WEATHER])


def test_pretraining_holds_no_query_of_the_demo():
    forbidden = demo_queries()
    demo = {row["query"] for row in generate_rows(4_000, DEMO_SEED)}
    assert demo <= forbidden
    seen = {query for text in islice(request_texts(0, forbidden), 2_000) for query in _queries(text)}
    assert len(seen) > 1_900
    assert not seen & forbidden
    unfiltered = {query for text in islice(request_texts(0, frozenset()), 2_000) for query in _queries(text)}
    assert unfiltered & forbidden, "the exclusion has nothing to do, so this test proves nothing"


def test_careless_answers_hold_right_values_in_wrong_calls():
    parsed = 0
    conversations = list(islice(request_texts(3, frozenset()), 1_000))
    for text in conversations:
        (query,) = _queries(text)
        answers = [taught.removesuffix("<|im_end|>\n") for _, taught in text.turns if "<tool_call>" in taught]
        calls = parse_strict(answers[0]).calls
        parsed += bool(calls)
        for call in calls:
            for value in call.arguments.values():
                assert value == "True" or value in query
    assert 0.25 < parsed / len(conversations) < 0.6


def test_pretraining_text_is_the_same_for_the_same_seed():
    assert list(islice(request_texts(5, frozenset()), 20)) == list(islice(request_texts(5, frozenset()), 20))
    assert list(islice(echo_texts(5, 6, True), 20)) == list(islice(echo_texts(5, 6, True), 20))


def _queries(text: TaughtConversation) -> set[str]:
    """What is asked in a conversation, without the words that ask about it."""
    asked = (given.split("<|im_start|>user\n")[-1].split("<|im_end|>")[0] for given, _ in text.turns)
    return {query.removeprefix("Which function fits: ").removeprefix("Read out the values: ") for query in asked}
