import ArgumentParser

/// Measures us against a yardstick in the same run.
struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure throughput against a yardstick, in the same run.",
        subcommands: [
            BenchOrders.self, BenchCallbacks.self, BenchStorm.self, BenchJobs.self, BenchStatements.self,
        ])
}

/// The middle of the measurements.
func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return 0 }
    return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
}

/// Seconds since a moment.
func seconds(since began: ContinuousClock.Instant) -> Double {
    let parts = (ContinuousClock.now - began).components
    return Double(parts.seconds) + Double(parts.attoseconds) / 1e18
}

/// A number with so many decimals, as text.
func rounded(_ value: Double, _ decimals: Int = 2) -> String {
    var scale = 1.0
    for _ in 0..<decimals { scale *= 10 }
    return String((value * scale).rounded() / scale)
}
