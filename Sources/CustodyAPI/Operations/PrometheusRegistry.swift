import CoreMetrics
import Synchronization

/// Keeps metrics in memory and writes them in Prometheus' text format 0.0.4.
///
/// Labels are swift-metrics' labels; characters that Prometheus does not know in names become `_`. Timers are in seconds.
public final class PrometheusRegistry: MetricsFactory {
    /// A series: a name with its labels.
    struct Series: Hashable {
        let name: String
        let labels: [String]

        init(_ label: String, _ dimensions: [(String, String)], suffix: String = "") {
            name = PrometheusRegistry.name(label) + suffix
            labels = dimensions.map { "\(PrometheusRegistry.name($0.0))=\"\(PrometheusRegistry.escaped($0.1))\"" }
        }
    }

    struct Histogram {
        var counts = [Int64](repeating: 0, count: PrometheusRegistry.bounds.count)
        var count: Int64 = 0
        var sum = 0.0

        mutating func add(_ value: Double) {
            count += 1
            sum += value
            // A bucket holds all that is not above its bound, smaller ones' included.
            let first = PrometheusRegistry.bounds.firstIndex { value <= $0 } ?? counts.count
            for index in first..<counts.count { counts[index] += 1 }
        }
    }

    private struct State {
        var counters: [Series: Int64] = [:]
        var gauges: [Series: Double] = [:]
        var histograms: [Series: Histogram] = [:]
    }

    /// The upper bounds of the buckets, in seconds: from half a millisecond to the longest a request may take.
    static let bounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

    private let state = Mutex(State())

    /// Makes a registry without metrics.
    public init() {}

    /// Everything known now, as `/metrics` shows it.
    public func text() -> String {
        let state = state.withLock { $0 }
        var lines: [String] = []
        func write<Value>(_ all: [Series: Value], _ type: String, _ body: (Series, Value) -> Void) {
            let byName = Dictionary(grouping: all.keys, by: \.name)
            for name in byName.keys.sorted() {
                lines.append("# HELP \(name) \(name.replacing("_", with: " ")).")
                lines.append("# TYPE \(name) \(type)")
                for series in (byName[name] ?? []).sorted(by: { $0.labels.joined() < $1.labels.joined() }) {
                    if let value = all[series] { body(series, value) }
                }
            }
        }
        write(state.counters, "counter") { lines.append("\($0.name)\(braced($0.labels)) \($1)") }
        write(state.gauges, "gauge") { lines.append("\($0.name)\(braced($0.labels)) \($1)") }
        write(state.histograms, "histogram") { series, histogram in
            for (bound, count) in zip(PrometheusRegistry.bounds, histogram.counts) {
                lines.append("\(series.name)_bucket\(braced(series.labels + ["le=\"\(bound)\""])) \(count)")
            }
            lines.append("\(series.name)_bucket\(braced(series.labels + ["le=\"+Inf\""])) \(histogram.count)")
            lines.append("\(series.name)_sum\(braced(series.labels)) \(histogram.sum)")
            lines.append("\(series.name)_count\(braced(series.labels)) \(histogram.count)")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func braced(_ labels: [String]) -> String {
        labels.isEmpty ? "" : "{\(labels.joined(separator: ","))}"
    }

    func add(_ amount: Int64, to series: Series) {
        state.withLock { $0.counters[series, default: 0] += amount }
    }

    func reset(_ series: Series) { state.withLock { $0.counters[series] = 0 } }

    func set(_ series: Series, to change: (Double) -> Double) {
        state.withLock { $0.gauges[series] = change($0.gauges[series] ?? 0) }
    }

    func observe(_ value: Double, in series: Series) {
        state.withLock { $0.histograms[series, default: Histogram()].add(value) }
    }

    /// A counter; its name ends in `_total`.
    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        Handler(registry: self, series: Series(label, dimensions, suffix: label.hasSuffix("_total") ? "" : "_total"))
    }

    /// A recorder: a histogram, or a gauge when it does not aggregate.
    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        Handler(registry: self, series: Series(label, dimensions), aggregates: aggregate)
    }

    /// A gauge.
    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        Handler(registry: self, series: Series(label, dimensions))
    }

    /// A histogram of durations; its name ends in `_seconds`.
    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        Handler(
            registry: self, series: Series(label, dimensions, suffix: label.hasSuffix("_seconds") ? "" : "_seconds"))
    }

    /// Nothing: what was counted stays counted.
    public func destroyCounter(_ handler: any CounterHandler) {}
    /// Nothing: what was recorded stays recorded.
    public func destroyRecorder(_ handler: any RecorderHandler) {}
    /// Nothing: the gauge keeps its last value.
    public func destroyMeter(_ handler: any MeterHandler) {}
    /// Nothing: what was timed stays timed.
    public func destroyTimer(_ handler: any TimerHandler) {}

    private static func name(_ label: String) -> String {
        String(label.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == ":") ? $0 : "_" })
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }
}

/// One series, written through whatever kind of metric it is.
private final class Handler: CounterHandler, RecorderHandler, MeterHandler, TimerHandler {
    private let registry: PrometheusRegistry
    private let series: PrometheusRegistry.Series
    private let aggregates: Bool

    init(registry: PrometheusRegistry, series: PrometheusRegistry.Series, aggregates: Bool = true) {
        self.registry = registry
        self.series = series
        self.aggregates = aggregates
    }

    func increment(by amount: Int64) { registry.add(amount, to: series) }
    func reset() { registry.reset(series) }
    func record(_ value: Int64) { record(Double(value)) }
    func record(_ value: Double) {
        if aggregates { registry.observe(value, in: series) } else { registry.set(series) { _ in value } }
    }
    func set(_ value: Int64) { set(Double(value)) }
    func set(_ value: Double) { registry.set(series) { _ in value } }
    func increment(by amount: Double) { registry.set(series) { $0 + amount } }
    func decrement(by amount: Double) { registry.set(series) { $0 - amount } }
    func recordNanoseconds(_ duration: Int64) { registry.observe(Double(duration) / 1e9, in: series) }
}
