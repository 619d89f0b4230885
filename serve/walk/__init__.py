"""One request, from question to answer: cache, admission, decoding, the three phases."""
