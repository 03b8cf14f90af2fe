public import CProcessor

@inlinable @inline(always)
public func addBody(_ x: ReadRow, _ y: ReadRow, _ z: WriteRow, _ count: Int) {
    forEachStrip(count) { i, n in store(load(x + i, n) + load(y + i, n), z + i, n) }
}

@inlinable @inline(always)
public func axpyBody(_ factor: Float, _ x: ReadRow, _ y: WriteRow, _ count: Int) {
    forEachStrip(count) { i, n in store(fma(splat(factor), load(x + i, n), load(y + i, n)), y + i, n) }
}

@inlinable @inline(always)
public func scaleBody(_ y: WriteRow, _ factor: Float, _ count: Int) {
    forEachStrip(count) { i, n in store(load(y + i, n) * splat(factor), y + i, n) }
}

@inlinable @inline(always)
public func fillBody(_ y: WriteRow, _ value: Float, _ count: Int) {
    forEachStrip(count) { i, n in store(splat(value), y + i, n) }
}

@inlinable @inline(always)
public func roundBody(_ x: ReadRow, _ y: WriteRow, _ count: Int) {
    forEachStrip(count) { i, n in store(bf16(load(x + i, n)), y + i, n) }
}

@inlinable @inline(always)
public func dotBody(_ x: ReadRow, _ y: ReadRow, _ count: Int) -> Float {
    var total = Vector()
    forEachStrip(count) { i, n in total = fma(load(x + i, n), load(y + i, n), total) }
    return sum(total)
}

@inlinable @inline(always)
public func clippingSumsBody(_ x: ReadRow, _ threshold: Float, _ count: Int) -> ClippingSums {
    var (squares, clippedSquares, magnitudes, clippedMagnitudes) = (Vector(), Vector(), Vector(), Vector())
    var clipped = IntVector()
    let limit = splat(threshold)
    forEachStrip(count) { i, n in
        let x = load(x + i, n)
        let magnitude = x.replacing(with: -x, where: x .< Vector())
        let isBeyond = magnitude .> limit
        let kept = magnitude.replacing(with: limit, where: isBeyond)
        squares += magnitude * magnitude
        clippedSquares += kept * kept
        magnitudes += magnitude
        clippedMagnitudes += kept
        clipped.replace(with: clipped &+ IntVector(repeating: 1), where: isBeyond)
    }
    return ClippingSums(
        squares: sumInOrder(squares), clippedSquares: sumInOrder(clippedSquares), magnitudes: sumInOrder(magnitudes),
        clippedMagnitudes: sumInOrder(clippedMagnitudes), clipped: Int(truncatingIfNeeded: sumInOrder(clipped)))
}

@inlinable @inline(always)
public func clipBody(_ x: ReadRow, _ y: WriteRow, _ threshold: Float, _ factor: Float, _ count: Int) {
    forEachStrip(count) { i, n in store(limit(load(x + i, n), -threshold, threshold) * splat(factor), y + i, n) }
}

@inlinable @inline(always)
public func expBody(_ x: ReadRow, _ y: WriteRow, _ count: Int) {
    forEachStrip(count) { i, n in store(exp(load(x + i, n)), y + i, n) }
}

@inlinable @inline(always)
public func tanhBody(_ x: ReadRow, _ y: WriteRow, _ count: Int) {
    forEachStrip(count) { i, n in store(tanh(load(x + i, n)), y + i, n) }
}

@inlinable @inline(always)
public func adamWBody(
    _ parameters: WriteRow, _ gradients: ReadRow, _ m: WriteRow, _ v: WriteRow, _ count: Int, _ step: AdamWStep,
    squareRoot: (Vector) -> Vector
) {
    adamWBody(
        parameters, gradients, count, step, squareRoot: squareRoot,
        load: { (load(m + $0, $1), load(v + $0, $1)) },
        store: { first, second, i, n in
            store(first, m + i, n)
            store(second, v + i, n)
        })
}

/// Moments in bfloat16.
@inlinable @inline(always)
public func adamWBody(
    _ parameters: WriteRow, _ gradients: ReadRow, _ m: BF16Row, _ v: BF16Row, _ count: Int, _ step: AdamWStep,
    squareRoot: (Vector) -> Vector
) {
    adamWBody(
        parameters, gradients, count, step, squareRoot: squareRoot,
        load: { (processor_load_bf16(m + $0, $1), processor_load_bf16(v + $0, $1)) },
        store: { first, second, i, n in
            processor_store_bf16(bf16(first), m + i, n)
            processor_store_bf16(bf16(second), v + i, n)
        })
}

@inlinable @inline(always)
func adamWBody(
    _ parameters: WriteRow, _ gradients: ReadRow, _ count: Int, _ step: AdamWStep, squareRoot: (Vector) -> Vector,
    load loadMoments: (Int, Int) -> (Vector, Vector), store storeMoments: (Vector, Vector, Int, Int) -> Void
) {
    let beta1 = splat(step.beta1)
    let beta2 = splat(step.beta2)
    let decay = splat(step.decay)
    let stepSize = splat(step.stepSize)
    let correction = splat(step.inverseRootCorrection2)
    let epsilon = splat(step.epsilon)
    let gradientScale = splat(step.gradientScale)
    forEachStrip(count) { i, n in
        let gradient = load(gradients + i, n) * gradientScale
        let moments = loadMoments(i, n)
        let first = fma(beta1, moments.0, (1 - beta1) * gradient)
        let second = fma(beta2, moments.1, (1 - beta2) * gradient * gradient)
        let denominator = fma(squareRoot(second), correction, epsilon)
        let decayed = load(parameters + i, n) * decay
        storeMoments(first, second, i, n)
        store(fma(-stepSize, first / denominator, decayed), parameters + i, n)
    }
}

/// Rotates by the angles, or back when `direction` is −1.
@inlinable @inline(always)
public func ropeBody(_ x: WriteRow, _ cos: ReadRow, _ sin: ReadRow, _ half: Int, _ direction: Float) {
    forEachStrip(half) { i, n in
        let a = load(x + i, n)
        let b = load(x + half + i, n)
        let c = load(cos + i, n)
        let s = load(sin + i, n) * splat(direction)
        store(fma(a, c, -(b * s)), x + i, n)
        store(fma(b, c, a * s), x + half + i, n)
    }
}
