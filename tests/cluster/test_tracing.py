"""Tests one trace through real replicas: HTTP, phases, batch, stores and the request's log line."""

import httpx

from tests.cluster.application import Application, photo_form, wait_until
from tests.cluster.traces import IN_A_PHOTO, PARENT_ID, SAMPLED, TRACE_ID, lines_of, spans_of
from tests.reliability.messages import marked


def test_one_trace_covers_http_phases_stores_and_the_log(
    application: Application, client: httpx.Client, astronaut: bytes
) -> None:
    """The client's trace holds every step of an uncached photo, each under its caller."""
    answer = client.post("/v1/advice", headers=SAMPLED, **photo_form(marked(astronaut, "traced"), max_suggestions=17))
    assert answer.status_code == 200
    assert answer.headers["traceparent"].split("-")[1] == TRACE_ID
    folder = application.run_folder
    wait_until(lambda: {span.name for span in spans_of(folder, TRACE_ID)} >= IN_A_PHOTO | {"redis get"})
    spans = spans_of(folder, TRACE_ID)
    by_id, by_name = {span.id: span for span in spans}, {span.name: span for span in spans}
    assert by_name["request"].parent == PARENT_ID
    for phase in ("segmentation", "extraction", "harmony"):
        assert by_id[by_name[f"{phase} replica"].parent].name == phase
        assert by_name[f"{phase} replica"].component == phase
    assert by_id[by_name["batch"].parent].name == "segmentation replica"
    line = next(line for line in lines_of(folder) if line.get("request_id") == answer.json()["request_id"])
    assert (line["event"], line["trace_id"], line["status"]) == ("request", TRACE_ID, 200)
