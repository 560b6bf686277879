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

from hwnas import cli, devices
from hwnas.deploy import checks
from hwnas.deploy.bundle import CLAIMED, MANIFEST, read_manifest, write_bundle
from hwnas.devices.base import DeviceInfo, DeviceState
from hwnas.errors import VerificationError
from hwnas.files import sha256
from hwnas.latency import samples
from hwnas.latency.measure import Measurement
from hwnas.latency.stats import Estimate
from hwnas.pipeline.export import ExportConfig, Target, export
from hwnas.pipeline.verify import verify
from hwnas.testing import refused
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
    return export(run, out=tmp_path_factory.mktemp("export"), data=images, target=Target(1e3, 0.5)).path


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
    assert Path(found) == found.path == bundle
    assert found.top1 == found.onnx_top1 == read_manifest(bundle).top1
    assert found.latency_checked
    assert found.latency.measured_ms == pytest.approx(1)
    assert found.latency.measured_interval_ms == pytest.approx((1, 1))
    assert found.latency.measured_now_ms == pytest.approx(1)
    assert found.latency.reference_ratio == pytest.approx(1)
    without = verify(bundle, data=images, latency=False)
    assert not without.latency_checked
    assert without.latency is without.to_json()["measured_ms"] is without.to_json()["reference_ratio"] is None
    assert without.to_json().keys() == found.to_json().keys()
    assert found.to_json()["bundle"] == str(bundle)


def test_a_full_disk_is_said_and_leaves_nothing(bundle, tmp_path, full_disk):
    files = {name: (bundle / name).read_bytes() for name in CLAIMED}
    with full_disk(1000), refused("file.not-written", path=tmp_path / "out" / "full"):
        write_bundle(tmp_path / "out" / "full", files, read_manifest(bundle))
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("name", [*CLAIMED, MANIFEST])
@pytest.mark.parametrize("place", [0, 0.5, 0.99])
def test_one_changed_byte_is_found_and_its_file_named(bundle, images, name, place):
    data = bytearray((bundle / name).read_bytes())
    data[int(place * len(data))] ^= 1
    (bundle / name).write_bytes(data)
    with refused("bundle.file-changed", VerificationError, file=name):
        verify(bundle, data=images, latency=False)


def test_a_manifest_of_a_version_that_knew_fewer_fields_is_whole_and_an_edited_one_is_not(bundle, images):
    value = json.loads((bundle / MANIFEST).read_text())
    del value["latency"]["device"]["governor"]
    (bundle / MANIFEST).write_text(json.dumps(value))
    with refused("bundle.file-changed", VerificationError, file=MANIFEST):
        verify(bundle, data=images, latency=False)
    value["seal"] = sha256(json.dumps({**value, "seal": ""}).encode())
    (bundle / MANIFEST).write_text(json.dumps(value))
    assert verify(bundle, data=images).latency_checked


def test_what_a_desktop_leaves_in_a_folder_is_ignored_and_told(bundle, images, capsys, monkeypatch):
    litter = (".DS_Store", "._model.onnx", "Desktop.ini", "Thumbs.db")
    for name in litter:
        (bundle / name).write_bytes(b"\0\0\0\1Bud1")
    (bundle / "__MACOSX").mkdir()
    litter = (*litter, "__MACOSX")
    found = verify(bundle, data=images, latency=False)
    assert found.ignored == litter
    assert found.to_json()["ignored"] == litter
    monkeypatch.setattr("sys.argv", ["hwnas", "verify", str(bundle), "--data", str(images), "--no-latency"])
    cli.main()
    assert "note: ignored .DS_Store, ._model.onnx, Desktop.ini, Thumbs.db, __MACOSX: no part" in capsys.readouterr().out
    (bundle / "ehthumbs.db").mkdir()
    with refused("bundle.strange-file", VerificationError, files=("ehthumbs.db",)):
        verify(bundle, data=images, latency=False)


def test_a_missing_file_and_a_strange_one_are_named(bundle, images):
    (bundle / "notes.txt").write_text("")
    with refused("bundle.strange-file", VerificationError, files=("notes.txt",)):
        verify(bundle, data=images)
    (bundle / "labels.json").unlink()
    with refused("bundle.file-missing", VerificationError, file="labels.json"):
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
    ("forge", "code", "reason"),
    [
        (change_weights, "bundle.not-the-weights", None),
        (drop_weight, "bundle.file-invalid", "training.weights-of-another-net"),
        (change_net, "bundle.file-invalid", "training.weights-of-another-net"),
        (not_a_net, "bundle.file-invalid", "net.empty"),
        (other_images, "bundle.file-invalid", "training.channels"),
        (swap_labels, "bundle.labels", None),
        (change_mean, "bundle.accuracy", None),
        (drop_mean, "bundle.file-invalid", "file.field"),
        (no_model, "bundle.model-invalid", None),
    ],
)
def test_files_that_do_not_belong_together_are_found_although_every_hash_is_right(bundle, images, forge, code, reason):
    forge(bundle)
    reseal(bundle)
    with refused(code, VerificationError, reason=reason):
        verify(bundle, data=images, latency=False)


@pytest.mark.parametrize(
    ("claim", "code", "fields"),
    [
        ({"top1": 1.5}, "bundle.accuracy", {"name": "top1", "claimed": 1.5}),
        ({"onnx_top1": 0.0}, "bundle.accuracy", {"name": "onnx_top1", "claimed": 0.0}),
        ({"fingerprint": "0"}, "bundle.other-images", {"data": "colours"}),
    ],
)
def test_a_false_claim_is_named(bundle, images, claim, code, fields):
    reseal(bundle, **claim)
    with refused(code, VerificationError, **fields):
        verify(bundle, data=images, latency=False)


def test_a_budget_that_the_device_does_not_meet_is_named(bundle, images):
    reseal(bundle, latency=replace(read_manifest(bundle).latency, latency_ms=1e-4))
    with refused("bundle.latency-over-budget", VerificationError, limit_ms=1e-4):
        verify(bundle, data=images)


def test_another_device_is_named(bundle, images, monkeypatch):
    monkeypatch.setattr(checks, "measure", None)  # its reference time says nothing here, so nothing is measured
    latency = read_manifest(bundle).latency
    reseal(bundle, latency=replace(latency, device=replace(latency.device, model="Other")))
    with refused("bundle.other-device", VerificationError, differences="model: Steady, not Other"):
        verify(bundle, data=images)


def test_the_raw_median_of_today_is_told_beside_the_latency(bundle, images, monkeypatch):
    def noisy(*given, measure=checks.measure, **how):
        found = measure(*given, **how)
        return replace(found, estimates={key: replace(one, p50=1.3) for key, one in found.estimates.items()})

    monkeypatch.setattr(checks, "measure", noisy)
    found = verify(bundle, data=images).latency
    assert found.measured_now_ms == 1.3
    assert found.both_clocks() == "1.0000 ms at the pace of the claim; today, at 1.00 of it, 1.3000 ms"


def test_how_fast_the_machine_is_today_is_reported_beside_the_latency(bundle, images):
    claimed = read_manifest(bundle).latency
    reseal(bundle, latency=replace(claimed, reference_seconds=claimed.reference_seconds / 4))
    found = verify(bundle, data=images).latency
    assert found.measured_ms == pytest.approx(0.25)
    assert found.reference_ratio == pytest.approx(4)
    assert found.measured_now_ms == pytest.approx(1)
    reseal(bundle, latency=replace(claimed, reference_seconds=0.0))
    with refused("bundle.file-changed", VerificationError, file=MANIFEST):
        verify(bundle, data=images)


def test_two_test_images_may_change_sides_on_another_machine_and_not_three(bundle, images):
    manifest, count = read_manifest(bundle), len(load(images, 8).test.labels)
    reseal(bundle, top1=manifest.top1 - 2 / count, onnx_top1=manifest.onnx_top1 + 2 / count)
    assert verify(bundle, data=images, latency=False).top1 == manifest.top1
    for claim in (manifest.top1 - 3 / count, float("nan")):
        reseal(bundle, top1=claim, onnx_top1=manifest.onnx_top1)
        with refused("bundle.accuracy", VerificationError, name="top1"):
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
    with refused("bundle.latency-over-claim", VerificationError):
        checks.check_latency(claimed, slow)
    checks.check_latency(claimed, replace(slow, low=1.05 * ms))
    checks.check_latency(replace(claimed, latency_ms=1.2 * ms), slow)


def test_logits_that_are_no_numbers_do_not_pass(run, images, original):
    from hwnas.training.run import read_module

    module = read_module(run)
    torch.nn.init.constant_(module[3].linear.bias, float("nan"))
    with refused("bundle.not-the-weights", VerificationError):
        checks.check_agreement(module, (original / "model.onnx").read_bytes(), load(images, 8))


def test_a_bundle_that_would_not_verify_is_not_written(run, images, tmp_path):
    with refused("bundle.latency-over-budget", VerificationError, latency_ms=1e-4):
        export(run, out=tmp_path / "export", data=images, target=Target(1e-4))
    assert not list(tmp_path.glob("export/*"))


def at(ms):
    """What `measure` finds where the model takes `ms`, with an interval that begins far below."""
    return Measurement({"model.onnx": Estimate(ms, 0.5 * ms, 2 * ms, ms, ms, ms, ms, 8)}, 1e-3, 1e-3, ())


@pytest.mark.parametrize(("found", "claimed"), [([1.0], 1.0), ([1.2, 0.9], 0.9), ([1.2, 1.1], None)])
def test_a_bundle_is_within_the_budget_at_the_second_attempt_or_not_written(
    run, images, tmp_path, monkeypatch, found, claimed
):
    answers = iter(map(at, found))
    monkeypatch.setattr(checks, "measure", lambda *args, **options: next(answers))
    if claimed is None:
        with refused("bundle.latency-over-budget", VerificationError, latency_ms=1.0, measured_ms=1.1):
            export(run, out=tmp_path / "export", data=images, target=Target(1.0))
        assert not list(tmp_path.glob("export/*"))
    else:
        bundle = export(run, out=tmp_path / "export", data=images, target=Target(1.0))
        assert read_manifest(bundle).latency.measured.ms == claimed
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
    with refused("folder.not-empty"):
        export(run, name="mine", out=tmp_path, data=images)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "words"


@pytest.mark.parametrize(("schema", "name"), [(3, "budget_ms"), (4, "latency_ms")])
def test_the_target_is_that_of_the_search(run, images, tmp_path, schema, name):
    searched = shutil.copytree(run, tmp_path / "searched")
    record = {"schema": schema, name: 900.0, "predicted_ms": 0.25, "table": "t.json"}
    (searched / "search.json").write_text(json.dumps(record))
    latency = read_manifest(export(searched, out=tmp_path / "export", data=images)).latency
    assert (latency.latency_ms, latency.predicted_ms) == (900, 0.25)


@pytest.mark.parametrize("name", ["pace", "reference_seconds"])
def test_the_reference_time_and_the_budget_of_another_device_are_refused(run, images, tmp_path, monkeypatch, name):
    asked = []
    monkeypatch.setattr(devices, "get", lambda *request: asked.append(request) or SteadyDevice())
    searched = shutil.copytree(run, tmp_path / "searched")
    same = {"budget_ms": 900.0, name: 2e-3, "device": asdict(SteadyDevice.info)}
    (searched / "search.json").write_text(json.dumps(same))
    latency = read_manifest(export(searched, out=tmp_path / "export", data=images)).latency
    assert latency.reference_seconds == 2e-3
    assert latency.measured.ms == pytest.approx(2)
    other = replace(SteadyDevice.info, device="npu", model="Other", threads=4)
    (searched / "search.json").write_text(json.dumps({**same, "device": asdict(other)}))
    monkeypatch.setattr(checks, "measure", None)
    differences = "device: cpu, not npu; model: Steady, not Other; threads: 1, not 4"
    with refused("export.other-device", device="npu", differences=differences):
        export(searched, name="other", out=tmp_path / "export", data=images)
    with refused("export.other-device", device="npu"):
        export(searched, name="other", out=tmp_path / "export", data=images, device="cpu", threads=2)
    assert asked == [("cpu", 1), ("npu", 4), ("cpu", 2)]


def test_of_published_latencies_no_budget_is_claimed_and_the_device_has_to_be_named(run, images, tmp_path):
    searched = shutil.copytree(run, tmp_path / "searched")
    phone = replace(SteadyDevice.info, device="phone", model="Phone", threads=0)
    target = {"budget_ms": 0.9, "predicted_ms": 0.25, "pace": None, "device": asdict(phone)}
    (searched / "search.json").write_text(json.dumps(target))
    with refused("export.device-needed", device="phone"):
        export(searched, out=tmp_path / "export", data=images)
    assert not (tmp_path / "export").exists()
    latency = read_manifest(export(searched, out=tmp_path / "export", data=images, device="cpu")).latency
    assert latency.measured.ms == pytest.approx(1)  # over that budget, which is not of this device
    assert latency.latency_ms is latency.predicted_ms is None
    assert latency.device == SteadyDevice.info


def test_a_folder_of_images_has_to_be_named_again(run, bundle, tmp_path):
    with refused("data.folder-needed", name="colours"):
        verify(bundle)
    with refused("data.folder-needed", name="colours"):
        export(run, out=tmp_path / "export")


def test_other_images_are_refused(run, bundle, images, tmp_path):
    other = shutil.copytree(images, tmp_path / "other")
    Image.new("RGB", (8, 8)).save(other / "red" / "0.png")
    with refused("export.other-images", name="other"):
        export(run, out=tmp_path / "export", data=other)
    with refused("bundle.other-images", VerificationError, data="other"):
        verify(bundle, data=other, latency=False)


@pytest.mark.parametrize("path", ["nowhere", "."])
def test_what_is_no_bundle_is_said_to_be_none(tmp_path, path):
    with refused("bundle.none"):
        verify(tmp_path / path)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("train.json", "file.not-whole"),
        ("net.json", "file.not-whole"),
        ("weights.safetensors", "training.weights-unreadable"),
    ],
)
def test_a_run_without_one_of_its_files_is_refused(run, images, tmp_path, name, code):
    broken = shutil.copytree(run, tmp_path / "broken")
    (broken / name).write_bytes((broken / name).read_bytes()[:-20])
    with refused(code, path=broken / name):
        export(broken, out=tmp_path / "export", data=images)


def test_an_export_is_asked_for_by_one_configuration_or_by_its_parts(run, images, tmp_path):
    result = export(ExportConfig(run=run, data=images, target=Target(1e3)), out=tmp_path)
    assert Path(result) == result.path == tmp_path / "tiny"
    assert result.manifest == read_manifest(result.path)
    assert result.manifest.latency.latency_ms == 1e3
    with refused("config.contradiction", key="name"):
        export(ExportConfig(run=run), name="other", out=tmp_path)
    with refused("config.value", key="threads", value=0):
        export(run, threads=0, out=tmp_path)


def test_the_json_of_a_manifest_is_that_of_schema_1(bundle):
    value = json.loads((bundle / MANIFEST).read_text())
    assert value["schema"] == 1
    assert list(value["latency"]) == ["device", "measured", "pace", "budget_ms", "predicted_ms"]
    assert list(value)[-3:] == ["versions", "files", "seal"]
    assert json.loads(read_manifest(bundle).text()) == value
