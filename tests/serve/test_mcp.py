"""Tests the tools for assistants with the official client, which starts the server and speaks over its pipes."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from models import advise
from serve.local.plan import REPOSITORY

mcp = pytest.importorskip("mcp")


async def test_an_assistant_gets_advice_when_it_calls_the_tools(tmp_path: Path) -> None:
    """The official client starts `stylesync mcp`, lists the three tools, and gets answers and errors from them."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)}
    server = mcp.StdioServerParameters(command=sys.executable, args=["-m", "serve.cli", "mcp"], env=environment)
    async with mcp.Client(server) as client:
        await _all_tools(client, tmp_path)


async def _all_tools(client: Any, folder: Path) -> None:
    listed = (await client.list_tools()).tools
    assert {tool.name for tool in listed} == {"advise_photo", "advise_colors", "palette"}
    for tool in listed:
        assert tool.description
        assert all("description" in field for field in tool.input_schema["properties"].values())

    wardrobe = [{"id": "chinos", "colors": ["camel"], "category": "bottom"}]
    colors = await client.call_tool("advise_colors", {"colors": ["navy"], "intent": "bold", "wardrobe": wardrobe})
    expected = advise(colors=["navy"], intent="bold", max_suggestions=3)
    assert [one["summary"] for one in colors.structured_content["suggestions"]] == [
        one.summary for one in expected.suggestions
    ]
    assert [match["id"] for match in colors.structured_content["matches"]] == ["chinos"]

    palette = await client.call_tool("palette", {"colors": ["navy", "#c19a6b"], "format": "css"})
    assert "--color-camel: #c19a6b;" in palette.content[0].text

    refused = await client.call_tool("advise_colors", {"colors": ["blurple"]})
    assert refused.is_error
    assert "Did you mean purple" in refused.content[0].text

    photo = folder / "shirt.png"
    Image.new("RGB", (64, 64), "#1f2a44").save(photo)
    seen = await client.call_tool("advise_photo", {"path": str(photo), "category": "top"})
    assert not seen.is_error
    assert {"garments", "suggestions", "warnings"} <= seen.structured_content.keys()
    gone = await client.call_tool("advise_photo", {"path": "gone.jpg"})
    assert gone.is_error
    assert "gone.jpg: No such file" in gone.content[0].text
