"""How to choose: search strategies over the supernet and a cost, one small file each, by name.

(The room is not called `search`, because `hwnas.search` is the stage, a function.)
"""

STRATEGIES: dict[str, str] = {"proxyless": "hwnas.strategies.proxyless:ProxylessGradient"}
"""Every strategy by name, as "module:Class"."""
