"""Learning in repeated games and markets: best response, fictitious play, reinforcement, regret and expectations."""

from walras.agents.learning.bargaining_games import ProposerMarket, ultimatum_game
from walras.agents.learning.bertrand import BertrandMarket
from walras.agents.learning.best_response import BestResponse
from walras.agents.learning.cobweb_market import CobwebMarket
from walras.agents.learning.collusion import PricingSession, learn_to_price, values_against_random
from walras.agents.learning.cournot import CournotMarket
from walras.agents.learning.economy import FirmEconomy, LearningFirm
from walras.agents.learning.fictitious_play import FictitiousPlay, SmoothFictitiousPlay
from walras.agents.learning.firm_market import FirmMarket, MarketPower, market_power
from walras.agents.learning.forecasts import (
    AdaptiveForecast,
    AverageForecast,
    Forecast,
    ForecastRule,
    NaiveForecast,
    RationalForecast,
)
from walras.agents.learning.game import (
    NormalFormGame,
    StageGame,
    coordination_game,
    prisoners_dilemma,
    rock_paper_scissors,
    shapley_game,
    zero_sum_game,
)
from walras.agents.learning.grid_game import GridGame, price_grid
from walras.agents.learning.logit_market import LogitMarket
from walras.agents.learning.observation import Information, LearningPolicy, Observation
from walras.agents.learning.play import Play, play
from walras.agents.learning.q_learning import QLearning
from walras.agents.learning.regret import Exp3, Hedge, exp3_bound, hedge_bound
from walras.agents.learning.reinforcement import RothErev
from walras.agents.learning.strategies import FirmStrategy, GridLearning, PriceTaking, ReplyToForecast

__all__ = [
    "AdaptiveForecast",
    "AverageForecast",
    "BertrandMarket",
    "BestResponse",
    "CobwebMarket",
    "CournotMarket",
    "Exp3",
    "FictitiousPlay",
    "FirmEconomy",
    "FirmMarket",
    "FirmStrategy",
    "Forecast",
    "ForecastRule",
    "GridGame",
    "GridLearning",
    "Hedge",
    "Information",
    "LearningFirm",
    "LearningPolicy",
    "LogitMarket",
    "MarketPower",
    "NaiveForecast",
    "NormalFormGame",
    "Observation",
    "Play",
    "PriceTaking",
    "PricingSession",
    "ProposerMarket",
    "QLearning",
    "RationalForecast",
    "ReplyToForecast",
    "RothErev",
    "SmoothFictitiousPlay",
    "StageGame",
    "coordination_game",
    "exp3_bound",
    "hedge_bound",
    "learn_to_price",
    "market_power",
    "play",
    "price_grid",
    "prisoners_dilemma",
    "rock_paper_scissors",
    "shapley_game",
    "ultimatum_game",
    "values_against_random",
    "zero_sum_game",
]
