"""Small random models of transformers' own on disk, with tokenisers of letters, k-mers and pieces."""

import itertools
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

SPECIAL = {"unk_token": "[UNK]", "pad_token": "[PAD]", "mask_token": "[MASK]"}
SIZES = {
    "GPT2LMHeadModel": {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 300},
    "LlamaForCausalLM": {
        **{"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32},
        "max_position_embeddings": 400,
    },
    "BertForMaskedLM": {
        **{"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32},
        "max_position_embeddings": 130,
    },
    "EsmForMaskedLM": {
        **{"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32},
        **{"max_position_embeddings": 130, "pad_token_id": 1, "mask_token_id": 2},
    },
}


def letter_tokeniser(letters: str, **more: str) -> PreTrainedTokenizerFast:
    """Return a tokeniser of single letters; bos_token is put in front where one is given."""
    special = {**SPECIAL, **more}
    table = {text: number for number, text in enumerate([*special.values(), *letters])}
    tokenizer = Tokenizer(models.WordLevel(table, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    if "bos_token" in more:
        from tokenizers.processors import TemplateProcessing

        bos = more["bos_token"]
        tokenizer.post_processor = TemplateProcessing(single=f"{bos} $A", special_tokens=[(bos, table[bos])])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


def piece_tokeniser(text: str) -> PreTrainedTokenizerFast:
    """Return a byte-pair tokeniser trained on a text."""
    from tokenizers.trainers import BpeTrainer

    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.train_from_iterator([text], BpeTrainer(vocab_size=40, special_tokens=list(SPECIAL.values())))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL)


def kmer_tokeniser(folder: Path, size: int) -> transformers.PreTrainedTokenizerBase:
    """Return a tokeniser of k-mers side by side, with single letters for what is left, and a token in front."""
    words = ["<unk>", "<pad>", "<mask>", "<cls>", *map("".join, itertools.product("ACGT", repeat=size)), *"ACGTN"]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    return transformers.EsmTokenizer(str(folder / "vocab.txt"), eos_token=None)


def write_published(folder: Path, name: str, tokeniser: transformers.PreTrainedTokenizerBase) -> Path:
    """Save a random model of a class with a tokeniser, as transformers does."""
    kind = getattr(transformers, name)
    config = kind.config_class(vocab_size=len(tokeniser), **SIZES[name])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(len(name))
        model = kind(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(3)  # so that a letter's effect stands out of rounding
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokeniser.save_pretrained(folder)
    return folder
