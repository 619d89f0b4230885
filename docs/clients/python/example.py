"""A photo and two colours, as the README of the client shows them. The service and the key are in the environment."""

import os

from stylesync_client import Refused, StyleSync

with StyleSync(os.environ["KEY"], os.environ["BASE"]) as client:
    advice = client.advise(photo=os.environ["PHOTO"], intent="bold")
    for garment in advice.garments:
        print(garment.label, garment[0].name, garment[0].rgb)
    print(advice.suggestions[0].summary)

    colors = client.advise(colors=["navy", {"hex": "#c19a6b", "share": 0.3}], wardrobe=[{"id": "w17", "hex": "white"}])
    print(colors.answer.matches[0].item_id, colors.suggestions[0].hexes)
    print(client.palette("navy", "camel", format="css").decode())

    try:
        client.advise(colors=["blurple"])
    except Refused as refused:
        print(refused.code, refused.detail)
