"""Nobody without the token, no other name, no other page, nothing outside the roots."""

import json
from pathlib import Path

import pytest

from tests.small_review import make_context
from vernal.common.files import write_text
from vernal.common.problems import InputError
from vernal.web.project import NotThere, Refused


@pytest.fixture
def served(serve, service):
    return serve(service)


PAGES = (
    "/",
    "/review",
    "/review/queue/hard-negatives",
    "/review/api/state/hard-negatives",
    "/static/style.css",
    "/results",
    "/nowhere",
)


@pytest.mark.parametrize("path", PAGES)
def test_without_the_token_nothing_is_served(served, path):
    for headers in (
        {},
        {"cookie": f"{served.cookie}=wrong"},
        {"x_vernal_token": "wrong"},
        {"cookie": f"other={served.token}"},
    ):
        answer = served.ask(path, brings_token=False, **headers)
        assert answer.status == 403 and b"token is missing" in answer.content
    assert served.ask(f"{path}?token=wrong", brings_token=False).status == 403


def test_the_token_moves_from_the_address_to_a_cookie(served):
    answer = served.ask(f"/review?reviewer=J%C3%BCrgen&token={served.token}", brings_token=False)
    assert answer.status == 303
    assert answer.headers["location"] == "/review?reviewer=J%C3%BCrgen"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "samesite=strict" in cookie.lower()
    assert served.ask("/review").status == 200
    assert served.ask("/review", brings_token=False, x_vernal_token=served.token).status == 200


def test_the_welcome_never_leads_to_another_host(served):
    answer = served.ask(f"//evil.example/?token={served.token}", brings_token=False)
    assert answer.headers["location"].startswith("/") and not answer.headers["location"].startswith("//")


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:{port}", ""]
)
def test_another_name_for_this_address_is_refused(served, host):
    answer = served.ask("/review", host=host.format(port=served.port))
    assert answer.status == 421
    assert served.ask("/review", host=f"localhost:{served.port}").status == 200


def test_only_a_page_of_this_server_may_change_anything(served, service):
    item = service.queue("hard-negatives").items["item"].iloc[0]
    body = {"item": item, "look": 1, "reviewer": "Ana", "decision": "target"}
    path = "/review/api/decide/hard-negatives"
    for headers in (
        {},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": f"http://127.0.0.1:{served.port + 1}"},
    ):
        assert served.ask(path, "POST", body, **headers).status == 403
    assert service.log.read().empty
    assert served.ask(path, "POST", body, origin=served.origin).status == 200
    assert served.ask(path, "POST", body, brings_token=False, x_vernal_token=served.token).status == 200
    assert len(service.log.read()) == 2


def test_every_answer_has_the_headers_that_keep_strangers_out(served):
    for path in (*PAGES, "/review/api/item/hard-negatives/none"):
        answer = served.ask(path)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'self'") and "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"]


def test_pages_name_no_other_host(served, project):
    pages = [served.ask(path).content.decode() for path in PAGES[:4]]
    static = Path(project / "src" / "vernal" / "web" / "static")
    pages += [file.read_text(encoding="utf-8") for file in static.iterdir()]
    for text in pages:
        rest = text.replace('xmlns="http://www.w3.org/2000/svg"', "").replace(
            "http://www.w3.org/2000/svg", ""
        )
        assert "http://" not in rest and "https://" not in rest
        assert "onclick=" not in rest and "<style" not in rest and " style=" not in rest


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (b"not json", "application/json", "no JSON"),
        (b"[1]", "application/json", "no JSON object"),
        (b"[" * 20_000, "application/json", "no JSON"),
        (b'{"look": ' + b"1" * 400 + b"}", "application/json", "no JSON"),
        (b"{}", "text/plain", "Send JSON"),
        (b'{"item": "' + b"x" * 300_000 + b'"}', "application/json", "More than"),
        (b'{"item": "nope"}', "application/json", "has no item"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(served, body, kind, words):
    answer = served.ask(
        "/review/api/decide/hard-negatives", "POST", body, origin=served.origin, content_type=kind
    )
    assert answer.status == 422 and words in answer.content.decode()


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2f..%2fcli.py", "/static//etc/passwd"]
)
def test_static_files_are_only_the_page_s_own(served, path):
    assert served.ask(path).status in (404, 405)


def test_names_of_queues_and_clips_lead_nowhere_else(served):
    for path in (
        "/review/queue/..%2f..%2fetc", "/review/api/state/nope", "/review/api/item/hard-negatives/..%2f..%2fetc%2fpasswd",
        "/review/api/clip/..%2fclips/x/sound", "/review/api/clip/splits/x/sound", "/review/api/clip/clips/x/sound",
    ):  # fmt: skip
        assert served.ask(path).status in (404, 422), path


# Sound comes from the project's own folders only


def test_a_path_outside_the_roots_is_refused(service, serve, tmp_path, write_tone):
    secret = write_tone(tmp_path / "elsewhere" / "secret.wav", seconds=3)
    queue = service.queue("hard-negatives")
    item = queue.items["item"].iloc[0]
    for file_path in (
        "../../../elsewhere/secret.wav",
        secret.as_posix(),
        "field/../../../../elsewhere/secret.wav",
    ):
        queue.items.loc[0, "file_path"] = file_path
        served = serve(service)
        for kind in ("sound", "spectrogram", "item"):
            answer = served.ask(f"/review/api/{kind}/hard-negatives/{item}")
            assert answer.status == 403 and b"does not lie in a folder" in answer.content, (file_path, kind)


def test_a_link_out_of_the_roots_is_refused_and_one_within_is_followed(
    data_root, project, tmp_path, write_tone
):
    context = make_context(data_root, project)
    secret = write_tone(tmp_path / "elsewhere" / "secret.wav", seconds=3)
    own = write_tone(data_root / "01_raw" / "own.wav", seconds=3)
    sounds = data_root / "01_raw" / "sounds"
    (sounds / "out.wav").symlink_to(secret)
    (sounds / "in.wav").symlink_to(own)
    with pytest.raises(Refused, match=r"out.wav does not lie"):
        context.audio_file(sounds, "out.wav")
    assert context.audio_file(sounds, "in.wav") == own.resolve()
    with pytest.raises(NotThere, match="is not in"):
        context.audio_file(sounds, "gone.wav")


def test_configured_sources_are_roots_too(data_root, project, tmp_path, write_tone):
    sound = write_tone(tmp_path / "field" / "night.wav", seconds=3)
    allowed = make_context(data_root, project, source={"field": str(tmp_path / "field")})
    assert allowed.audio_file(tmp_path / "field", "night.wav") == sound.resolve()
    with pytest.raises(Refused):
        make_context(data_root, project).audio_file(tmp_path / "field", "night.wav")


def test_each_browser_goes_on_under_the_name_that_was_used_in_it(served):
    def shown(answer):
        return answer.content.decode().partition('name="reviewer" value="')[2].partition('"')[0]

    assert shown(served.ask("/review")) == "Ana"
    answer = served.ask("/review?reviewer=J%C3%BCrgen%3B%20B")
    assert shown(answer) == "Jürgen; B"
    kept = answer.headers["set-cookie"].partition(";")[0]
    cookies = f"{served.cookie}={served.token}; {kept}"
    assert shown(served.ask("/review", cookie=cookies)) == "Jürgen; B"
    page = served.ask("/review/queue/hard-negatives", cookie=cookies).content.decode()
    assert 'data-reviewer="Jürgen; B"' in page
    assert shown(served.ask("/review?reviewer=Cho", cookie=cookies)) == "Cho"


_LONG = "x" * 20_000
_ODD = ("%00", "a%00b", "%FF", "%ED%A0%80", "..%2F..%2Fetc", "con", _LONG, "%E2%80%AE", "a" * 255, "%0A", "*")


@pytest.mark.parametrize("name", _ODD, ids=lambda name: name[:12])
@pytest.mark.parametrize(
    "place",
    [
        "/results/{}", "/results/{}/compare", "/results/{}/effects", "/results/{}/point/{}", "/results/new?from={}",
        "/review/queue/{}", "/review/api/state/{}", "/review/api/clip/{}", "/static/{}", "/{}",
        "/results/stage1?sort={}", "/results?stage={}", "/review?queue={}&reviewer={}",
    ],
)  # fmt: skip
def test_names_that_cannot_be_are_no_fault_of_the_server(served, place, name):
    answer = served.ask(place.replace("{}", name))
    assert answer.status in (200, 303, 400, 403, 404, 405, 422), (answer.status, answer.content[:300])
    if place == "/results/{}":
        assert answer.status == (404 if name in ("%00", "a%00b", _LONG, "a" * 255) or "%2F" in name else 422)


@pytest.mark.parametrize("foreign", ["/", "..", "/etc"])
def test_what_a_data_folder_says_of_its_recordings_opens_nothing_else(
    service, serve, tmp_path, write_tone, data_root, foreign
):
    secret = write_tone(tmp_path / "elsewhere" / "secret.wav", seconds=3)
    roots = dict.fromkeys(("labelled", "field", "unlabelled"), foreign)
    write_text(data_root / "02_intermediate" / "audio_roots.json", json.dumps(roots))
    queue = service.queue("hard-negatives")
    queue.items.loc[0, ["folder", "file_path"]] = [foreign, secret.as_posix().lstrip("/")]
    answer = serve(service).ask(f"/review/api/sound/hard-negatives/{queue.items['item'].iloc[0]}")
    assert answer.status == 403 and b"source.manifest" in answer.content


def test_a_page_of_another_place_leads_to_the_cookie_by_a_page_of_this_server(served):
    answer = served.ask(f"/review?token={served.token}", brings_token=False, sec_fetch_site="cross-site")
    assert answer.status == 200 and answer.headers["refresh"] == "0; url=/review"
    assert served.token in answer.headers["set-cookie"] and not answer.content


def test_port_80_is_left_out_by_browsers(serve, service):
    served = serve(service, named_port=80)
    here = {"host": "127.0.0.1", "cookie": f"vernal_token_80={served.token}"}
    answer = served.ask("/review", **here)
    assert answer.status == 200 and answer.headers["set-cookie"].startswith("vernal_reviewer_80=")
    answer = served.ask("/review/api/undo", "POST", {"id": "x"}, **here, origin="http://127.0.0.1")
    assert answer.status == 422  # no such decision; the request itself is let through
    assert served.ask("/review", **here | {"host": "127.0.0.1:81"}).status == 421


@pytest.mark.parametrize("name", ["CON", "nul", "COM1", "lpt9.csv", "aux.", "night.", "a" * 65, "Ä"])
def test_queues_have_names_that_every_system_has(service, name):
    with pytest.raises(InputError, match="Windows keeps for itself"):
        service.make_queue({"filter": "score > 3", "name": name})


@pytest.mark.parametrize(
    ("path", "field"), [("/review/api/queues", name) for name in ("filter", "like", "name", "scores", "n")]
)
def test_very_long_requests_are_refused_in_words(served, path, field):
    for text in (_LONG, "(" * 1_999, "not " * 400 + "score > 1", "1" * 1_999, "\0", "\ud800", [1], {"a": 1}):
        asked = {"filter": "score > 3", field: text}
        answer = served.ask(path, "POST", asked, origin=served.origin)
        assert answer.status in (200, 422), (field, text, answer.content[:300])
