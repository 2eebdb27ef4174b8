"""The Ray backend on a cluster of two machines, both this one, of one processor each."""

import os
from collections.abc import Iterator
from concurrent.futures import as_completed
from pathlib import Path

import pytest

from data.errors import ConfigurationError, WorkerLost
from pbt_online.backend import open_backend
from pbt_online.settings import BackendSettings
from tests.contract.backend_contract import (  # noqa: F401  the tests of every backend
    SHARED,
    expected,
    test_a_closed_backend_takes_no_work,
    test_the_backend_changes_no_byte_of_a_result_and_shares_once_with_each_worker,
    test_what_a_function_raises_is_passed_on_as_it_is_and_not_repeated,
    test_work_is_submitted_as_other_work_ends,
    test_workers_compute_on_one_thread,
)
from tests.fakes import work
from tests.functional.commands import eventually, soak

pytest.importorskip("ray", reason="Ray is not installed: pip install 'funding-bot[ray]' tests the cluster too")


pytestmark = soak


@pytest.fixture(scope="module")
def cluster() -> Iterator:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()


@pytest.fixture
def settings(cluster) -> BackendSettings:
    return BackendSettings(kind="ray", workers=2, address=cluster.address)


@soak
def test_work_lost_with_a_killed_worker_is_done_by_another(
    settings: BackendSettings,
    expected: dict[int, bytes],  # noqa: F811
    tmp_path: Path,
) -> None:
    with open_backend(settings, work.take, SHARED) as backend:
        futures = {backend.submit(work.learned_after_death, (seed, tmp_path / "killed")): seed for seed in expected}
        found = {futures[future]: future.result() for future in as_completed(futures)}
    assert (tmp_path / "killed").exists()
    assert expected == found


@soak
def test_work_lost_with_a_removed_machine_is_done_by_those_left(
    cluster,
    settings: BackendSettings,
    expected: dict[int, bytes],  # noqa: F811
    tmp_path: Path,
) -> None:
    doomed = cluster.add_node(num_cpus=1)
    with open_backend(settings.model_copy(update={"workers": 3}), work.take, SHARED) as backend:
        futures = {backend.submit(work.learned_when_released, (seed, tmp_path)): seed for seed in expected}
        eventually(lambda: list(tmp_path.glob(f"{doomed.node_id}-*")))
        cluster.remove_node(doomed)
        (tmp_path / "released").touch()
        found = {futures[future]: future.result() for future in as_completed(futures)}
    assert expected == found
    begun = [path.name.partition("-")[2] for path in tmp_path.glob("*-*")]
    assert len(expected) + 1 == len(begun), "one was begun twice"


def test_an_address_where_nobody_answers_is_a_mistake_of_the_configuration() -> None:
    settings = BackendSettings(kind="ray", address="127.0.0.1:1")
    with (
        pytest.raises(ConfigurationError, match="no Ray cluster at 127.0.0.1:1 .*backend.address"),
        open_backend(settings, work.take, SHARED),
    ):
        pass


@soak
def test_work_that_hangs_for_ever_fails(settings: BackendSettings) -> None:
    settings = settings.model_copy(update={"timeout_s": 0.2, "retries": 0})
    with open_backend(settings, work.take, SHARED) as backend:
        with pytest.raises(WorkerLost, match=r"asleep\(1\) was lost .*no answer within 0.2 s"):
            backend.submit(work.asleep, 1).result()
        assert 4 == backend.submit(work.doubled, 2).result()
