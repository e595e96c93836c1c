"""The package as others install it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1]


def test_it_is_built_with_its_types(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="no hatchling to build it with")
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*wheel, "--wheel-dir", str(tmp_path / "w"), str(SOURCE)], check=True)
    [built] = (tmp_path / "w").iterdir()
    assert built.name.startswith("cordon_temporal-") and built.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(built) as packed:
        names = set(packed.namelist())
        [metadata] = (packed.read(name).decode() for name in names if name.endswith("/METADATA"))
        packed.extractall(tmp_path / "site")
    modules = {
        f"cordon_temporal/{path.name}" for path in (SOURCE / "src" / "cordon_temporal").iterdir() if path.is_file()
    }
    assert "cordon_temporal/py.typed" in modules
    assert {name for name in names if ".dist-info/" not in name} == modules
    assert "Apache-2.0" in metadata and any(name.endswith("/LICENSE") for name in names)
    use = "import cordon_temporal.socket_activities as it; print(it.__file__)"
    # What is installed beside it, and not what pytest has put into its path.
    out = subprocess.run(
        [sys.executable, "-c", use],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert out.stdout.startswith(str(tmp_path / "site"))
