"""Makes the embedded base model: `python -m fc_assets.training.demo.base --out DIR [--seed 0]`.

What belongs here: the model's shape, its pre-training and the files it is shipped as. What it reads is `text`, how it
spells is `tokenizer`. The result lies beside this module in `model/`, so that no demo waits for it: the seed 0 shipped
there took 17 minutes of processor time on two threads.
"""

import argparse
import random
import time
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

import torch
from transformers import GenerationConfig, Qwen2Tokenizer, Qwen3Config, Qwen3ForCausalLM

from fc_assets.training.demo.text import TaughtConversation, chat_template, demo_queries, echo_texts, request_texts
from fc_assets.training.demo.tokenizer import END_OF_TEXT, MODEL_MAX_LENGTH, TURN_END, save_tokenizer, train_tokenizer

_TOKENIZER_TEXTS = 6_000
_SHORT_ECHO_STEPS = 220
_LONG_ECHO_STEPS = 260
_ECHO_BATCH = 48
_REQUEST_STEPS = 1600
_REQUEST_BATCH = 8
_LEARNING_RATE = 2e-3
_WARMUP_STEPS = 50
_SORTED_BATCHES = 32


def build(out: Path, seed: int) -> None:
    """Write model, tokenizer and their configurations to `out`, the same bytes for the same seed and machine."""
    torch.manual_seed(seed)
    forbidden = demo_queries()
    sample = islice(request_texts(seed + 1, forbidden), _TOKENIZER_TEXTS)
    echoes = islice(echo_texts(seed + 1, most=6, numbers=True), _TOKENIZER_TEXTS)
    spelling = train_tokenizer(str(text) for text in (*sample, *echoes))
    tokenizer = save_tokenizer(spelling, chat_template(), out)
    model = Qwen3ForCausalLM(_config(tokenizer))
    print(f"{model.num_parameters() / 1e6:.2f} M parameters, {len(tokenizer)} tokens", flush=True)
    _pretrain(model, tokenizer, seed, forbidden)
    model.generation_config = GenerationConfig(
        bos_token_id=None,
        eos_token_id=[tokenizer.convert_tokens_to_ids(TURN_END), tokenizer.convert_tokens_to_ids(END_OF_TEXT)],
        pad_token_id=tokenizer.convert_tokens_to_ids(END_OF_TEXT),
    )
    model.save_pretrained(out)


def _config(tokenizer: Qwen2Tokenizer) -> Qwen3Config:
    # Row lengths of 256 and its multiples: k-quants pack 256 weights into a block and fall back on anything else.
    return Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=256,
        intermediate_size=256,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=4,
        head_dim=64,
        max_position_embeddings=MODEL_MAX_LENGTH,
        tie_word_embeddings=True,
        initializer_range=0.05,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        bos_token_id=None,
        eos_token_id=tokenizer.convert_tokens_to_ids(TURN_END),
        pad_token_id=tokenizer.convert_tokens_to_ids(END_OF_TEXT),
        dtype="float32",
    )


def _pretrain(model: Qwen3ForCausalLM, tokenizer: Qwen2Tokenizer, seed: int, forbidden: frozenset[str]) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=_LEARNING_RATE, weight_decay=0.01, betas=(0.9, 0.98))
    total = _SHORT_ECHO_STEPS + _LONG_ECHO_STEPS + _REQUEST_STEPS
    # Constant, then falling to zero over the last half.
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / _WARMUP_STEPS, 2 * (total - step) / total, 1.0)
    )
    short = islice(_batches(echo_texts(seed, 3, False), tokenizer, _ECHO_BATCH, seed), _SHORT_ECHO_STEPS)
    long = islice(_batches(echo_texts(seed, 6, True), tokenizer, _ECHO_BATCH, seed), _LONG_ECHO_STEPS)
    requests = islice(_batches(request_texts(seed, forbidden), tokenizer, _REQUEST_BATCH, seed), _REQUEST_STEPS)
    started = time.monotonic()
    model.train()
    for step, batch in enumerate(chain(short, long, requests)):
        loss = _loss(model, *batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if step % 50 == 0 or step == total - 1:
            print(f"step {step}/{total} loss {loss.item():.4f} {time.monotonic() - started:.0f} s", flush=True)


def _loss(model: Qwen3ForCausalLM, ids: torch.Tensor, taught: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy over the taught tokens. Both tensors (batch, length); padding is on the right."""
    hidden = model.model(input_ids=ids[:, :-1]).last_hidden_state
    wanted = taught[:, 1:]
    return torch.nn.functional.cross_entropy(model.lm_head(hidden[wanted]), ids[:, 1:][wanted])


def _batches(
    texts: Iterator[TaughtConversation], tokenizer: Qwen2Tokenizer, size: int, seed: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches of token ids and of a mask of what is taught; texts of like length go together, to pad little."""
    rng = random.Random(seed)
    pad = tokenizer.convert_tokens_to_ids(END_OF_TEXT)
    while True:
        encoded = [_encode(text, tokenizer) for text in islice(texts, size * _SORTED_BATCHES)]
        encoded.sort(key=len)
        groups = [encoded[start : start + size] for start in range(0, len(encoded), size)]
        rng.shuffle(groups)
        for group in groups:
            ids = torch.full((size, max(map(len, group))), pad)
            taught = torch.zeros_like(ids, dtype=torch.bool)
            for row, tokens in enumerate(group):
                ids[row, : len(tokens)] = torch.tensor([token for token, _ in tokens])
                taught[row, : len(tokens)] = torch.tensor([learnt for _, learnt in tokens])
            yield ids, taught


def _encode(text: TaughtConversation, tokenizer: Qwen2Tokenizer) -> list[tuple[int, bool]]:
    """Each token with whether it is taught."""
    tokens: list[tuple[int, bool]] = []
    for given, taught in text.turns:
        tokens += [(token, False) for token in tokenizer(given)["input_ids"]]
        tokens += [(token, True) for token in tokenizer(taught)["input_ids"]]
    return tokens


def main() -> None:
    parser = argparse.ArgumentParser(description="Pre-train the embedded base model and write it to a folder.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to; made if absent")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    build(arguments.out, arguments.seed)


if __name__ == "__main__":
    main()
