/// Uniform numbers in −½..<½, to be deallocated by the caller.
func uniformNumbers(_ count: Int, seed: UInt64) -> UnsafeMutablePointer<Float> {
    let memory = allocateForMatrices(byteCount: count * 4).assumingMemoryBound(to: Float.self)
    var state = seed &* 0x9E37_79B9_7F4A_7C15
    for i in 0..<count {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        memory[i] = Float(state >> 40) / Float(1 << 24) - 0.5
    }
    return memory
}

func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
