"""What the arms of a comparison are: the product's settings but for one thing."""

from bot.arms import independent, one_ppo
from bot.settings import Settings
from pbt_online.search_space import SearchSpace


def test_one_ppo_is_one_member_with_every_hyperparameter_amid_its_range() -> None:
    space = SearchSpace(Settings().learning.population.search_space)
    population = one_ppo(Settings()).learning.population
    assert 1 == population.size
    pinned = {name: dimension.choices for name, dimension in population.search_space.items()}
    assert {name: (value,) for name, value in space.clip({}).items()} == pinned


def test_independent_members_differ_from_the_population_in_copying_alone() -> None:
    usual, apart = Settings().learning, independent(Settings()).learning
    assert ("truncation", "none") == (usual.population.exploit.strategy, apart.population.exploit.strategy)
    assert usual.population.search_space == apart.population.search_space
    assert usual.population.size == apart.population.size
    assert usual.gate == apart.gate
