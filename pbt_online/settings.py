"""Settings of learning: who the members are, how they train, what ranks them, when one may trade."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from backtest.settings import Formulation, WindowSettings
from data.settings import Frozen


class Dimension(Frozen):
    """One hyperparameter: a range from `low` to `high`, or a list of `choices` in order."""

    on_one_line: ClassVar[bool] = True

    low: float | None = Field(None, description="Smallest value of a range.")
    high: float | None = Field(None, description="Largest value of a range.")
    log: bool = Field(False, description="Whether the range is drawn and measured on a logarithmic scale.")
    step: float | None = Field(None, gt=0, description="Distance between the values that a range allows; empty: any.")
    choices: tuple[float, ...] | None = Field(None, min_length=1, description="The values of a category, in order.")

    @model_validator(mode="after")
    def _is_a_range_or_a_category(self) -> Self:
        ranged = self.low is not None and self.high is not None
        if ranged == (self.choices is not None):
            raise ValueError("give either low and high, or choices")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low ({self.low:g}) must be below high ({self.high:g})")
        if self.log and (self.low is None or self.low <= 0):
            raise ValueError("a logarithmic range needs a low above zero")
        if self.choices is not None and list(self.choices) != sorted(set(self.choices)):
            raise ValueError("choices must ascend, each once")
        return self


def default_search_space() -> dict[str, Dimension]:
    """The reference's, with the discount and the penalty that by-pair, 8-hour learning wants."""
    return {
        "learning_rate": Dimension(low=1e-5, high=1e-3, log=True),
        "gamma": Dimension(choices=(0.9, 0.95, 0.97, 0.99, 0.995)),
        "gae_lambda": Dimension(low=0.9, high=0.99),
        "ent_coef": Dimension(low=1e-3, high=0.1, log=True),
        "clip_range": Dimension(low=0.1, high=0.4),
        "kl_coef": Dimension(low=0.003, high=0.3, log=True),
    }


class LearnerSettings(Frozen):
    """How one member learns: PPO, its network, what it sees and how often it decides."""

    formulation: Formulation = Field(
        "pairs", description="pairs: one shared network decides for every pair; ranked: the reference's 9 actions."
    )
    decision_hours: int = Field(8, ge=1, le=24, description="Hours between decisions; the reference decides hourly.")
    start: Literal["rule", "forecast", "hindsight", "random"] = Field(
        "rule",
        description="The first population: cloned from the rule, from a rule that trades a forecast (by pair only) or "
        "from hindsight, or random weights.",
    )
    hidden: tuple[int, ...] = Field((256, 256, 128), min_length=1, description="Hidden layers of actor and critic.")
    environments: int = Field(
        32, ge=1, le=4096, description="Environments stepped side by side: accounts, by pair as many as fit in it."
    )
    rollout: int = Field(2048, ge=16, description="Steps collected between updates, over all accounts.")
    batch_size: int = Field(256, ge=8, description="Steps of one gradient.")
    epochs: int = Field(10, ge=1, description="Passes over what was collected.")
    vf_coef: float = Field(0.5, ge=0, description="Weight of the value loss.")
    max_grad_norm: float = Field(0.5, gt=0, description="Gradients are clipped to this norm.")
    clone_epochs: int = Field(20, ge=1, description="Passes of behaviour cloning.")
    clone_certainty: float = Field(
        0.2,
        gt=0,
        le=1,
        description="Factor of a clone's logits: one that is sure of everything never tries anything else.",
    )
    reward_scale: float = Field(
        0.01,
        gt=0,
        description="Training rewards are multiplied by this: the errors of large values would drown the policy's "
        "gradient.",
    )
    device: str = Field("cpu", description="Where networks train: cpu, cuda, ...")
    precision: Literal["highest", "high", "medium"] = Field(
        "medium", description="Of 32-bit products: highest repeats Stable-Baselines3 to 1e-5, medium is fastest."
    )


class ExploitSettings(Frozen):
    """Who is replaced, and by whom."""

    strategy: Literal["truncation", "tournament", "significant", "none"] = Field(
        "truncation",
        description="truncation: the worst copy the best; tournament: losers of random duels copy; significant: "
        "truncation, if the donor's advantage survives a paired bootstrap; none: nobody copies.",
    )
    quantile: float = Field(0.25, gt=0, le=0.5, description="Share of the population that is replaced.")
    confidence: float = Field(0.8, gt=0.5, lt=1, description="Of the significant strategy's bootstrap.")


class ExploreSettings(Frozen):
    """How a copy's hyperparameters change."""

    strategy: Literal["perturb", "step", "gaussian", "resample", "model"] = Field(
        "perturb",
        description="perturb: multiply; step: move by a fixed step; gaussian: add noise; resample: draw anew; "
        "model: PB2's bandit over past improvements.",
    )
    factors: tuple[float, float] = Field((0.8, 1.2), description="Smallest and largest factor of perturb.")
    mutation_probability: float = Field(0.2, ge=0, le=1, description="Chance of a change, per hyperparameter.")
    resample_probability: float = Field(0.0, ge=0, le=1, description="Chance of a new draw instead of a change.")
    magnitude: float = Field(0.1, gt=0, le=1, description="Size of step and gaussian, share of the range.")
    adaptive: bool = Field(False, description="Grow the magnitude while the best score stalls, shrink it on success.")


class PopulationSettings(Frozen):
    """The population and its rounds."""

    size: int = Field(8, ge=1, le=1000, description="Members.")
    timesteps: int = Field(500_000, ge=1, description="Steps of each member in one cycle.")
    perturbation_interval: int = Field(20_000, ge=1, description="Steps of each member in one round.")
    search_space: dict[str, Dimension] = Field(
        default_factory=default_search_space, description="What is tuned, by name."
    )
    exploit: ExploitSettings = Field(default_factory=ExploitSettings, description="Who copies whom.")
    explore: ExploreSettings = Field(default_factory=ExploreSettings, description="How copies differ.")
    asynchronous: bool = Field(
        False, description="Members do not wait for each other; then results depend on the machine's timing."
    )
    stagnation_rounds: int = Field(
        10, ge=1, description="A member that has not improved for so many rounds starts anew from the clone."
    )
    grace_rounds: int = Field(
        3, ge=0, description="A member that started anew amid others copies nobody for so many rounds."
    )
    alike_below: float = Field(0.02, ge=0, le=1, description="Warn when the population's diversity falls below this.")
    target: float | None = Field(None, description="End the cycle when the best score reaches this.")
    stall_rounds: int | None = Field(None, ge=1, description="End the cycle after so many rounds without a new best.")
    wall_clock_s: float | None = Field(
        None, gt=0, description="End the cycle after so much real time; then results depend on the machine's speed."
    )


class FitnessSettings(Frozen):
    """What ranks members on the validation window."""

    measure: Literal["excess_pnl", "reward", "sharpe", "profit_factor", "accuracy"] = Field(
        "excess_pnl",
        description="excess_pnl: P&L over the rule's; reward: of the environment; sharpe: under the drawdown limit; "
        "profit_factor; accuracy: of the sign of entries' realised net carry.",
    )
    universes: int = Field(24, ge=1, le=512, description="Random subsets of pairs played; 1: the whole, one path.")
    universe_share: float = Field(0.7, gt=0, le=1, description="Share of the assets in each.")
    episode_days: int = Field(30, ge=1, description="Length of each play, from staggered starts.")
    regimes: int = Field(3, ge=1, description="Equal parts of the window that starts are spread over.")
    max_drawdown_pct: float = Field(10.0, gt=0, le=100, description="Drawdown from which the Sharpe measure punishes.")
    preferred_sharpe: float = Field(1.5, description="Sharpe ratio above which it is preferred.")


class GateSettings(Frozen):
    """What a challenger must show before it trades. The figures behind the defaults: docs/gate.md."""

    error: float = Field(
        0.05, gt=0, lt=0.5, description="Chance that a champion is ever replaced by one that is no better, all cycles."
    )
    half_spent_attempts: int = Field(
        26, ge=1, description="Half of the error is spent on so many attempts after a promotion, the rest on all later."
    )
    resamples: int = Field(4000, ge=200, description="Of the paired stationary bootstrap, at least.")
    block_hours: int = Field(
        168, ge=1, description="Mean block of it: differences of P&L last for days, while one policy holds what pays."
    )
    max_drawdown_pct: float = Field(10.0, gt=0, le=100, description="Drawdown on the gate window that fails.")
    min_trades: int = Field(5, ge=0, description="Fewer closed trades on the gate window fail.")
    cost_factor: float = Field(1.5, ge=1, description="Costs are raised by this, and the P&L must stay positive.")


class BackendSettings(Frozen):
    """Where members train."""

    kind: Literal["process", "pool", "ray"] = Field(
        "pool", description="process: this one; pool: worker processes; ray: a Ray cluster (extra [ray])."
    )
    workers: int | None = Field(None, ge=1, description="Worker processes; empty: as many as processors.")
    retries: int = Field(2, ge=0, description="How often work that was lost with its worker is given to another.")
    timeout_s: float | None = Field(
        None,
        gt=0,
        description="Work that takes longer is lost and its worker killed (not with process); empty: no limit.",
    )
    address: str | None = Field(None, description="Address of the Ray cluster; empty: one on this machine.")


class ScheduleSettings(Frozen):
    """When the bot trains while it trades."""

    enabled: bool = Field(True, description="Whether `bot run` trains at all.")
    cycle_hours: int = Field(168, ge=1, description="Market hours between cycles; the first begins with the run.")
    timesteps: int = Field(
        20_000, ge=1, description="Steps of each member in a scheduled cycle: members go on from the last one's."
    )
    perturbation_interval: int = Field(10_000, ge=1, description="Steps of each member in a round of it.")
    promotion_lead_hours: int = Field(6, ge=1, description="A verdict takes effect so long after its cycle began.")
    max_live_drawdown_pct: float = Field(
        5.0, gt=0, le=100, description="A champion that loses this much from its peak is demoted."
    )


class LearningSettings(Frozen):
    """Everything about learning."""

    learner: LearnerSettings = Field(default_factory=LearnerSettings, description="How a member learns.")
    population: PopulationSettings = Field(default_factory=PopulationSettings, description="The population.")
    fitness: FitnessSettings = Field(default_factory=FitnessSettings, description="What ranks members.")
    windows: WindowSettings = Field(default_factory=WindowSettings, description="What each cycle sees.")
    gate: GateSettings = Field(default_factory=GateSettings, description="What a challenger must show.")
    backend: BackendSettings = Field(default_factory=BackendSettings, description="Where members train.")
    schedule: ScheduleSettings = Field(default_factory=ScheduleSettings, description="When the bot trains.")
    trade_with: Literal["champion", "ensemble"] = Field("champion", description="Who trades.")
    ensemble_size: int = Field(3, ge=1, description="Best members that vote in an ensemble.")
    tensorboard: bool = Field(
        False, description="Write training curves for TensorBoard (extra [tensorboard]), beside the population."
    )

    @property
    def scheduled(self) -> Self:
        """The same for a cycle that the schedule begins: its population trains at the schedule's pace."""
        paced = {
            "timesteps": self.schedule.timesteps,
            "perturbation_interval": self.schedule.perturbation_interval,
        }
        return self.model_copy(update={"population": self.population.model_copy(update=paced)})
