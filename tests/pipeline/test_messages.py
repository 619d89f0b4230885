"""Tests the texts of codes: one file per language has all of them, each is used, and no other module has texts."""

import ast
import string
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from pipeline.messages import LANGUAGES, LANGUAGES_DIR, Section, catalogue, codes, summary_of, text_of
from pipeline.parts import coded

PACKAGE = LANGUAGES_DIR.parent
MODULES = sorted(PACKAGE.rglob("*.py"))
# The backfill writes for its operator, the picture module draws labels, and errors have texts of their own.
OTHERS = {"backfill", "picture", "errors.py", "fields.py"}
ANSWERING = [path for path in MODULES if not OTHERS & set(path.parts)]
SECTIONS: tuple[Section, ...] = ("warnings", "reasons", "how_to_wear")


def fields(template: str) -> set[str]:
    """The placeholders of a text."""
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def spoken(tree: ast.Module) -> Iterator[str]:
    """Every string except docstrings, the texts of exceptions, and the schemas' descriptions."""
    silent = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) or (isinstance(node, ast.keyword) and node.arg == "description"):
            silent |= {id(part) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
            yield node.value


def is_sentence(text: str) -> bool:
    """Whether a text begins with a capital letter and has five words or more."""
    return text[:1].isupper() and len(text.split()) >= 5


def test_codes_when_used_in_the_package() -> None:
    """The package uses every code of the message file, so that no published code is unused."""
    source = "".join(path.read_text() for path in MODULES)
    for section in SECTIONS:
        unused = [code for code in codes(section) if f'"{code}"' not in source]
        assert unused == []


@pytest.mark.parametrize("path", ANSWERING, ids=lambda path: path.stem)
def test_texts_when_looked_for_elsewhere(path: Path) -> None:
    """No module that makes answers contains a sentence, except in its exceptions."""
    assert [text for text in spoken(ast.parse(path.read_text())) if is_sentence(text)] == []


@pytest.mark.parametrize("lang", LANGUAGES)
def test_language_when_compared_with_english(lang: str) -> None:
    """Every language has the same sections, codes and placeholders as English, and three wordings a code."""
    english, other = catalogue("en"), catalogue(lang)
    assert {section: set(texts) for section, texts in other.items()} == {
        section: set(texts) for section, texts in english.items()
    }
    for section in SECTIONS:
        for code, texts in other[section].items():
            assert len(set(texts)) == len(texts) >= (1 if section == "warnings" else 3)
            for text in texts:
                assert text.strip() == text != ""
                assert fields(text) <= set().union(*(fields(one) for one in english[section][code]))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_texts_when_filled(lang: str) -> None:
    """Every wording can be filled with a number and the code's words, and no brace is left."""
    words = {"name": "navy", "other": "camel", "legs": "@jeans", "small": "@leather"}
    for section in SECTIONS:
        for code in codes(section):
            for variant in range(3):
                said = structs.replace(coded(code, value=12.0, **words), variant=variant)
                assert not set(text_of(section, said, lang)) & {"{", "}", "@"}


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("place", ["below", "above", "under", "over", "accent", "around", "beside"])
@pytest.mark.parametrize("further", [{}, {"second": "ecru"}, {"second": "ecru", "third": "rust"}])
def test_summaries_when_said(lang: str, place: str, further: Any) -> None:
    """Every summary is one sentence without a brace, whatever it says."""
    for does in catalogue(lang)["summary"]["does"]:
        for kind in catalogue(lang)["summary"]["base"]:
            for variant in range(21):
                said = coded(does, place=place, kind=kind, base="navy", name="ochre", legs="@jeans", **further)
                sentence = summary_of(structs.replace(said, variant=variant), lang)
                assert not set(sentence) & {"{", "}", "@", "|"}
                assert sentence[:1].isupper()
                assert sentence.count(".") == 1


@pytest.mark.parametrize("lang", LANGUAGES)
def test_both_forms_of_a_verb_go_on_alike(lang: str) -> None:
    """After the verb, the form for trousers has the words of the form for a layer: "go easily with" the coral top."""
    for wordings in catalogue(lang)["summary"]["does"].values():
        for plural, singular in (wording.split("|") for wording in wordings if "|" in wording):
            assert plural.split()[1:] == singular.split()[1:]


@pytest.mark.parametrize(
    ("word", "said"), [("ochre", "an ochre"), ("navy", "a navy"), ("eucalyptus", "a eucalyptus"), ("ecru", "an ecru")]
)
def test_articles_when_said(word: str, said: str) -> None:
    """A word gets the article that is spoken."""
    layer = coded("ground", place="above", kind="bottom", base="navy", name=word, legs="@jeans")
    assert said.capitalize() in summary_of(layer, "en")


def test_language_when_unknown() -> None:
    """A language without a file raises KeyError and does not fall back to English."""
    with pytest.raises(KeyError):
        catalogue("tlh")


def test_files_when_listed() -> None:
    """English exists, and every language is one file with all sections."""
    assert "en" in LANGUAGES
    sections = {*SECTIONS, "summary", "words"}
    assert all(set(tomllib.loads(path.read_text())) == sections for path in LANGUAGES_DIR.glob("*.toml"))
