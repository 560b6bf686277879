import json
import shutil
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from hwnas import devices
from hwnas.deploy import verify as checks
from hwnas.deploy.bundle import CLAIMED, MANIFEST, read_manifest, write_bundle
from hwnas.devices.base import DeviceInfo, DeviceState
from hwnas.errors import InputError, VerificationError
from hwnas.files import sha256
from hwnas.latency import samples
from hwnas.latency.measure import Measurement
from hwnas.latency.stats import Estimate
from hwnas.pipeline.export import Target, export
from hwnas.pipeline.verify import verify
from hwnas.training.data import load
from hwnas.training.run import read_record

GET = devices.get


class SteadyDevice:
    """Always the same time, at once."""

    info = DeviceInfo("cpu", "Steady", "onnxruntime", "1.0", 1, "float32", 1, "Linux")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def load(self, key, path):
        assert path.is_file()

    def unload(self, key):
        pass

    def time(self, visits):
        return [np.full(repeats, 1e-3) for _, repeats in visits]

    def state(self):
        return DeviceState()


@pytest.fixture(scope="module", autouse=True)
def steady():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices, "get", lambda name, threads: SteadyDevice())
        patch.setattr(samples, "MIN_SECONDS", 0)  # it has no slow spells to wait for
        yield


@pytest.fixture(scope="module")
def original(run, images, tmp_path_factory):
    return export(run, out=tmp_path_factory.mktemp("export"), data=images, target=Target(1e3, 0.5))


@pytest.fixture
def bundle(original, tmp_path):
    return shutil.copytree(original, tmp_path / "tiny")


def reseal(bundle, **changes):
    """Make the manifest right for the files as they are, as a careful forger would."""
    hashes = {name: sha256((bundle / name).read_bytes()) for name in CLAIMED}
    manifest = replace(read_manifest(bundle), files=hashes, **changes)
    (bundle / MANIFEST).write_text(manifest.text())


def test_a_bundle_holds_all_that_deploying_needs(bundle, run, images):
    assert sorted(path.name for path in bundle.iterdir()) == sorted([*CLAIMED, MANIFEST])
    record, manifest = read_record(run), json.loads((bundle / MANIFEST).read_text())
    assert manifest["top1"] == manifest["onnx_top1"] == record.top1 > 0.8
    assert manifest["max_abs_logit_diff"] <= 1e-4
    assert (manifest["latency"]["budget_ms"], manifest["latency"]["predicted_ms"]) == (1000, 0.5)
    assert manifest["latency"]["device"]["device"] == "cpu"
    assert manifest["files"] == {name: sha256((bundle / name).read_bytes()) for name in CLAIMED}
    assert json.loads((bundle / "labels.json").read_text()) == ["blue", "green", "red"]
    assert str(images.parent) not in (bundle / MANIFEST).read_text()


def test_what_the_bundle_says_is_enough_to_classify_an_image(bundle, images):
    """By the preprocessing file alone, without any of our code."""
    import onnxruntime

    steps, labels = (json.loads((bundle / name).read_text()) for name in ("preprocessing.json", "labels.json"))
    session = onnxruntime.InferenceSession(bundle / "model.onnx")
    right = 0
    for path in images.glob("*/1*.png"):
        pixels = np.asarray(Image.open(path).convert(steps["channels"]), np.float32) / 255
        pixels = ((pixels - steps["mean"]) / steps["std"]).transpose(2, 0, 1)[None].astype(steps["dtype"])
        right += labels[session.run(None, {"images": pixels})[0].argmax()] == path.parent.name
    assert right >= 27  # of 33


def test_an_untouched_bundle_passes_and_says_what_was_checked(bundle, images):
    found = verify(bundle, data=images)
    assert found["top1"] == found["onnx_top1"] == read_manifest(bundle).top1
    assert found["latency_checked"]
    assert found["measured_ms"] == pytest.approx(1)
    assert found["measured_interval_ms"] == pytest.approx([1, 1])
    assert found["measured_now_ms"] == pytest.approx(1)
    assert found["pace_ratio"] == pytest.approx(1)
    without = verify(bundle, data=images, latency=False)
    assert not without["latency_checked"]
    assert without["measured_ms"] is without["pace_ratio"] is None


@pytest.mark.parametrize("name", [*CLAIMED, MANIFEST])
@pytest.mark.parametrize("place", [0, 0.5, 0.99])
def test_one_changed_byte_is_found_and_its_file_named(bundle, images, name, place):
    data = bytearray((bundle / name).read_bytes())
    data[int(place * len(data))] ^= 1
    (bundle / name).write_bytes(data)
    with pytest.raises(VerificationError, match=rf"^{name} was changed"):
        verify(bundle, data=images, latency=False)


def test_a_manifest_of_a_version_that_knew_fewer_fields_is_whole_and_an_edited_one_is_not(bundle, images):
    value = json.loads((bundle / MANIFEST).read_text())
    del value["latency"]["device"]["governor"]
    (bundle / MANIFEST).write_text(json.dumps(value))
    with pytest.raises(VerificationError, match="its seal is not of this text"):
        verify(bundle, data=images, latency=False)
    value["seal"] = sha256(json.dumps({**value, "seal": ""}).encode())
    (bundle / MANIFEST).write_text(json.dumps(value))
    assert verify(bundle, data=images)["latency_checked"]


def test_a_missing_file_and_a_strange_one_are_named(bundle, images):
    (bundle / "notes.txt").write_text("")
    with pytest.raises(VerificationError, match=r"notes\.txt: no part"):
        verify(bundle, data=images)
    (bundle / "labels.json").unlink()
    with pytest.raises(VerificationError, match=r"labels\.json is missing"):
        verify(bundle, data=images)


def change_weights(bundle):
    weights = load_file(bundle / "weights.safetensors")
    weights["3.linear.bias"] += torch.tensor([0.001, 0, 0])
    save_file(weights, bundle / "weights.safetensors")


def drop_weight(bundle):
    weights = load_file(bundle / "weights.safetensors")
    del weights["3.linear.bias"]
    save_file(weights, bundle / "weights.safetensors")


def change_net(bundle):
    net = json.loads((bundle / "net.json").read_text())
    net["blocks"][1]["kernel"] = 5
    (bundle / "net.json").write_text(json.dumps(net))


def swap_labels(bundle):
    (bundle / "labels.json").write_text('["red", "green", "blue"]')


def change_mean(bundle):
    steps = json.loads((bundle / "preprocessing.json").read_text())
    steps["mean"] = [0, 0, 3]
    (bundle / "preprocessing.json").write_text(json.dumps(steps))


def drop_mean(bundle):
    (bundle / "preprocessing.json").write_text('{"schema": 1, "size": 8, "fitting": "", "std": [1, 1, 1]}')


def not_a_net(bundle):
    (bundle / "net.json").write_text('{"schema": 1, "blocks": []}')


def other_images(bundle):
    net = json.loads((bundle / "net.json").read_text())
    net["blocks"][0]["cin"] = 1
    (bundle / "net.json").write_text(json.dumps(net))


def no_model(bundle):
    (bundle / "model.onnx").write_bytes(b"not a model")


@pytest.mark.parametrize(
    ("forge", "complaint"),
    [
        (change_weights, r"model\.onnx differs from the weights by 0\.001"),
        (drop_weight, r"weights\.safetensors is not of .*net\.json: 3\.linear\.bias is missing"),
        (change_net, r"weights\.safetensors is not of .*net\.json: 1\.depthwise\.weight"),
        (not_a_net, r"net\.json: .*at least one block"),
        (other_images, "takes images of 1 channels"),
        (swap_labels, r"labels\.json does not hold the classes"),
        (change_mean, "top1 is"),
        (drop_mean, r"preprocessing\.json: mean: Field required"),
        (no_model, r"model\.onnx is not a valid ONNX model"),
    ],
)
def test_files_that_do_not_belong_together_are_found_although_every_hash_is_right(bundle, images, forge, complaint):
    forge(bundle)
    reseal(bundle)
    with pytest.raises(VerificationError, match=complaint):
        verify(bundle, data=images, latency=False)


@pytest.mark.parametrize(
    ("claim", "complaint"),
    [
        ({"top1": 1.5}, "top1 is .*not 1.5000"),
        ({"onnx_top1": 0.0}, "onnx_top1 is .*not 0.0000"),
        ({"fingerprint": "0"}, "images of colours are not"),
    ],
)
def test_a_false_claim_is_named(bundle, images, claim, complaint):
    reseal(bundle, **claim)
    with pytest.raises(VerificationError, match=complaint):
        verify(bundle, data=images, latency=False)


def test_a_budget_that_the_device_does_not_meet_is_named(bundle, images):
    reseal(bundle, latency=replace(read_manifest(bundle).latency, latency_ms=1e-4))
    with pytest.raises(VerificationError, match=r"latency is .* over the budget of 0\.0001 ms"):
        verify(bundle, data=images)


def test_another_device_is_named(bundle, images, monkeypatch):
    monkeypatch.setattr(checks, "measure", None)  # its pace says nothing here, so nothing is measured
    latency = read_manifest(bundle).latency
    reseal(bundle, latency=replace(latency, device=replace(latency.device, model="Other")))
    with pytest.raises(VerificationError, match=r"another device: model: .*not Other"):
        verify(bundle, data=images)


def test_how_fast_the_machine_is_today_is_told_beside_the_latency(bundle, images):
    claimed = read_manifest(bundle).latency
    reseal(bundle, latency=replace(claimed, reference_seconds=claimed.reference_seconds / 4))
    found = verify(bundle, data=images)
    assert found["measured_ms"] == pytest.approx(0.25)
    assert found["pace_ratio"] == pytest.approx(4)
    assert found["measured_now_ms"] == pytest.approx(1)
    reseal(bundle, latency=replace(claimed, reference_seconds=0.0))
    with pytest.raises(VerificationError, match=r"latency\.pace"):
        verify(bundle, data=images)


def test_two_test_images_may_change_sides_on_another_machine_and_not_three(bundle, images):
    manifest, count = read_manifest(bundle), len(load(images, 8).test.labels)
    reseal(bundle, top1=manifest.top1 - 2 / count, onnx_top1=manifest.onnx_top1 + 2 / count)
    assert verify(bundle, data=images, latency=False)["top1"] == manifest.top1
    for claim in (manifest.top1 - 3 / count, float("nan")):
        reseal(bundle, top1=claim, onnx_top1=manifest.onnx_top1)
        with pytest.raises(VerificationError, match="top1 is"):
            verify(bundle, data=images, latency=False)


def test_the_latency_is_measured_on_the_device_that_is_here(run, images, tmp_path, monkeypatch):
    monkeypatch.setattr(devices, "get", GET)
    monkeypatch.setattr(checks, "PRECISION", 1.0)
    bundle = export(run, out=tmp_path, data=images, threads=1)
    latency = read_manifest(bundle).latency
    assert latency.device.runtime == "onnxruntime"
    assert 0 < latency.measured.low <= latency.measured.ms <= latency.measured.high < 1000


def test_without_a_budget_the_claimed_time_is_the_limit(original):
    claimed = replace(read_manifest(original).latency, latency_ms=None)
    ms = claimed.measured.ms
    slow = Estimate(1.3 * ms, 1.2 * ms, 1.4 * ms, ms, ms, ms, ms, 8)
    with pytest.raises(VerificationError, match="over the claimed latency"):
        checks.check_latency(claimed, slow)
    checks.check_latency(claimed, replace(slow, low=1.05 * ms))
    checks.check_latency(replace(claimed, latency_ms=1.2 * ms), slow)


def test_logits_that_are_no_numbers_do_not_pass(run, images, original):
    from hwnas.training.run import read_module

    module = read_module(run)
    torch.nn.init.constant_(module[3].linear.bias, float("nan"))
    with pytest.raises(VerificationError, match="differs from the weights by nan"):
        checks.check_agreement(module, (original / "model.onnx").read_bytes(), load(images, 8))


def test_a_bundle_that_would_not_verify_is_not_written(run, images, tmp_path):
    with pytest.raises(VerificationError, match="over the budget"):
        export(run, out=tmp_path / "export", data=images, target=Target(1e-4))
    assert not list(tmp_path.glob("export/*"))


def at(ms):
    """What `measure` finds where the model takes `ms`, with an interval that begins far below."""
    return Measurement({"model.onnx": Estimate(ms, 0.5 * ms, 2 * ms, ms, ms, ms, ms, 8)}, 1e-3, 1e-3, ())


@pytest.mark.parametrize(("found", "told"), [([1.0], 1.0), ([1.2, 0.9], 0.9), ([1.2, 1.1], None)])
def test_a_bundle_is_within_the_budget_at_the_second_attempt_or_not_written(
    run, images, tmp_path, monkeypatch, found, told
):
    answers = iter(map(at, found))
    monkeypatch.setattr(checks, "measure", lambda *args, **options: next(answers))
    if told is None:
        with pytest.raises(VerificationError, match=r"1\.2 ms and, again, 1\.1 ms: over the budget of 1 ms"):
            export(run, out=tmp_path / "export", data=images, target=Target(1.0))
        assert not list(tmp_path.glob("export/*"))
    else:
        bundle = export(run, out=tmp_path / "export", data=images, target=Target(1.0))
        assert read_manifest(bundle).latency.measured.ms == told
    assert not list(answers)


def test_a_killed_export_leaves_nothing_for_ever(bundle, tmp_path):
    manifest, out = read_manifest(bundle), tmp_path / "export"
    out.mkdir()
    for name in ("mine", "mine.2"):
        Path(tempfile.mkdtemp(dir=out, prefix=f".{name}.", suffix=".partial"), "mine").mkdir()  # as `write_bundle`'s
    write_bundle(out / "mine", {}, manifest)
    others = sorted(path.name for path in out.iterdir())
    assert others[1:] == ["mine"]
    assert others[0].startswith(".mine.2.")


def test_a_bundle_is_never_half_there(run, images, tmp_path, monkeypatch):
    from hwnas.deploy import bundle

    monkeypatch.setattr(bundle, "replace", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export(run, out=tmp_path / "export", data=images)
    assert not list(tmp_path.glob("export/*"))


def test_an_output_folder_with_something_in_it_is_left_alone(run, images, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("words")
    with pytest.raises(InputError, match="exists and is not empty"):
        export(run, name="mine", out=tmp_path, data=images)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "words"


def test_the_target_is_that_of_the_search(run, images, tmp_path):
    searched = shutil.copytree(run, tmp_path / "searched")
    (searched / "search.json").write_text('{"budget_ms": 900.0, "predicted_ms": 0.25, "table": "t.json"}')
    latency = read_manifest(export(searched, out=tmp_path / "export", data=images)).latency
    assert (latency.latency_ms, latency.predicted_ms) == (900, 0.25)


def test_the_pace_and_the_budget_of_another_device_are_refused(run, images, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(devices, "get", lambda *request: asked.append(request) or SteadyDevice())
    searched = shutil.copytree(run, tmp_path / "searched")
    same = {"budget_ms": 900.0, "pace": 2e-3, "device": asdict(SteadyDevice.info)}
    (searched / "search.json").write_text(json.dumps(same))
    latency = read_manifest(export(searched, out=tmp_path / "export", data=images)).latency
    assert latency.reference_seconds == 2e-3
    assert latency.measured.ms == pytest.approx(2)
    other = replace(SteadyDevice.info, device="npu", model="Other", threads=4)
    (searched / "search.json").write_text(json.dumps({**same, "device": asdict(other)}))
    monkeypatch.setattr(checks, "measure", None)
    with pytest.raises(InputError, match=r"model: Steady, not Other.*threads: 1, not 4.*give the same one, or profile"):
        export(searched, name="other", out=tmp_path / "export", data=images)
    with pytest.raises(InputError, match="not Other"):
        export(searched, name="other", out=tmp_path / "export", data=images, device="cpu", threads=2)
    assert asked == [("cpu", 1), ("npu", 4), ("cpu", 2)]


def test_of_published_latencies_no_budget_is_claimed_and_the_device_has_to_be_named(run, images, tmp_path):
    searched = shutil.copytree(run, tmp_path / "searched")
    phone = replace(SteadyDevice.info, device="phone", model="Phone", threads=0)
    target = {"budget_ms": 0.9, "predicted_ms": 0.25, "pace": None, "device": asdict(phone)}
    (searched / "search.json").write_text(json.dumps(target))
    with pytest.raises(InputError, match=r"budget is for phone, .*not measured here: name a device"):
        export(searched, out=tmp_path / "export", data=images)
    assert not (tmp_path / "export").exists()
    latency = read_manifest(export(searched, out=tmp_path / "export", data=images, device="cpu")).latency
    assert latency.measured.ms == pytest.approx(1)  # over that budget, which is not of this device
    assert latency.latency_ms is latency.predicted_ms is None
    assert latency.device == SteadyDevice.info


def test_a_folder_of_images_has_to_be_named_again(run, bundle, tmp_path):
    with pytest.raises(InputError, match="colours is a folder of images: give its path"):
        verify(bundle)
    with pytest.raises(InputError, match="colours is a folder of images: give its path"):
        export(run, out=tmp_path / "export")


def test_other_images_are_refused(run, bundle, images, tmp_path):
    other = shutil.copytree(images, tmp_path / "other")
    Image.new("RGB", (8, 8)).save(other / "red" / "0.png")
    with pytest.raises(InputError, match="does not hold the images"):
        export(run, out=tmp_path / "export", data=other)
    with pytest.raises(VerificationError, match="the images of other are not"):
        verify(bundle, data=other, latency=False)


@pytest.mark.parametrize("path", ["nowhere", "."])
def test_what_is_no_bundle_is_said_to_be_none(tmp_path, path):
    with pytest.raises(InputError, match="is not a "):
        verify(tmp_path / path)


@pytest.mark.parametrize("name", ["train.json", "net.json", "weights.safetensors"])
def test_a_run_without_one_of_its_files_is_refused(run, images, tmp_path, name):
    broken = shutil.copytree(run, tmp_path / "broken")
    (broken / name).write_bytes((broken / name).read_bytes()[:-20])
    with pytest.raises(InputError, match=f"{name} is not a whole"):
        export(broken, out=tmp_path / "export", data=images)
