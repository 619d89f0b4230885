"""The core: images to garments, palettes and advice, without Ray, torch or HTTP; and the batch job on top of it."""
