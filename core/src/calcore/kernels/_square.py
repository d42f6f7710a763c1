"""How much of a square of side 1 a polygon covers, edge by edge."""

from calcore.kernels._jit import helper


@helper
def under(x1: float, y1: float, x2: float, y2: float) -> float:
    """Return the signed area within the square from 0 to 1 between an edge and the x axis.

    The sum over the edges of a polygon is the area it shares with the square, negative if the edges
    run against the clock.
    """
    if x1 == x2:
        return 0.0
    sign = 1.0
    if x1 > x2:
        x1, y1, x2, y2, sign = x2, y2, x1, y1, -1.0
    if x2 <= 0.0 or x1 >= 1.0:
        return 0.0
    slope = (y2 - y1) / (x2 - x1)
    if x1 < 0.0:
        y1 -= slope * x1
        x1 = 0.0
    if x2 > 1.0:
        y2 -= slope * (x2 - 1.0)
        x2 = 1.0
    if y1 <= 0.0 and y2 <= 0.0:
        return 0.0
    if y1 >= 1.0 and y2 >= 1.0:
        return sign * (x2 - x1)
    area = 0.0
    if y1 < 0.0:
        x1 -= y1 / slope
        y1 = 0.0
    elif y1 > 1.0:
        x = x1 - (y1 - 1.0) / slope
        area += x - x1
        x1, y1 = x, 1.0
    if y2 < 0.0:
        x2 -= y2 / slope
        y2 = 0.0
    elif y2 > 1.0:
        x = x2 - (y2 - 1.0) / slope
        area += x2 - x
        x2, y2 = x, 1.0
    return sign * (area + 0.5 * (x2 - x1) * (y1 + y2))
