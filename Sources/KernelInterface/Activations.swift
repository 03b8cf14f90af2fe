/// x · σ(2u) with u = √(2/π)(x + 0.044715 x³): the same as 0.5 x (1 + tanh u), without its cancellation.
@inlinable @inline(always)
public func gelu(_ x: Vector) -> Vector {
    // From −20 down the result is zero; the limit keeps −∞ from turning into NaN.
    let limited = x.replacing(with: splat(-20), where: x .< splat(-20))
    let inner = fma(limited * limited, splat(-2 * 0.797_884_56 * 0.044_715), splat(-2 * 0.797_884_56))
    return limited / (exp(limited * inner) + 1)
}

@inlinable @inline(always)
public func geluDerivative(_ x: Vector) -> Vector {
    // Beyond ±10 the derivative is 0 or 1 to all digits.
    let limited = limit(x, -10, 10)
    let square = limited * limited
    let inner = fma(square, splat(-2 * 0.797_884_56 * 0.044_715), splat(-2 * 0.797_884_56))
    let slope = fma(square, splat(6 * 0.797_884_56 * 0.044_715), splat(2 * 0.797_884_56))
    let power = exp(limited * inner)
    let sigmoid = 1 / (power + 1)
    return fma(limited * sigmoid * (power * sigmoid), slope, sigmoid)
}

@inlinable @inline(always)
public func geluBody(_ x: ReadRow, _ y: WriteRow, _ count: Int) {
    forEachStrip(count) { i, n in store(gelu(load(x + i, n)), y + i, n) }
}

@inlinable @inline(always)
public func geluBackwardBody(_ x: ReadRow, _ dy: ReadRow, _ dx: WriteRow, _ count: Int) {
    forEachStrip(count) { i, n in store(load(dy + i, n) * geluDerivative(load(x + i, n)), dx + i, n) }
}

@inlinable @inline(always)
public func swigluBody(_ gate: ReadRow, _ up: ReadRow, _ y: WriteRow, _ count: Int) {
    forEachStrip(count) { i, n in
        // From −110 down SiLU is zero; the limit keeps −∞ from turning into NaN.
        let g = load(gate + i, n)
        let limited = g.replacing(with: splat(-110), where: g .< splat(-110))
        store(limited / (exp(-limited) + 1) * load(up + i, n), y + i, n)
    }
}

@inlinable @inline(always)
public func swigluBackwardBody(
    _ gate: ReadRow, _ up: ReadRow, _ dy: ReadRow, _ dGate: WriteRow, _ dUp: WriteRow, _ count: Int
) {
    forEachStrip(count) { i, n in
        let g = load(gate + i, n)
        // Beyond ±80 the derivative is 0 or 1 to all digits.
        let limited = limit(g, -80, 80)
        let power = exp(-limited)
        let sigmoid = 1 / (power + 1)
        let derivative = fma(limited * sigmoid, power * sigmoid, sigmoid)
        let floor = g.replacing(with: splat(-80), where: g .< splat(-80))
        let upward = load(up + i, n)
        let gradient = load(dy + i, n)
        store(gradient * upward * derivative, dGate + i, n)
        store(gradient * (floor * sigmoid), dUp + i, n)
    }
}
