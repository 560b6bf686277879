"""How to choose: search strategies over the supernet, any evaluator and a cost, one small file each.

(The room is not called `search`, because `hwnas.search` is the stage, a function.)
"""
