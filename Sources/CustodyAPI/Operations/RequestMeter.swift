import HTTPTypes
import Metrics
import Synchronization

/// Counts requests and times them, by route and status; never by path, which holds ids.
final class RequestMeter: Sendable {
    private struct Key: Hashable {
        let method: String
        let route: String
        let status: Int
    }

    /// What one kind of request is counted in.
    private struct Series {
        let counter: Counter
        let timer: Metrics.Timer
    }

    private static let known: Set<HTTPRequest.Method> = [.get, .post, .put, .patch, .delete, .head, .options]

    private let registry: PrometheusRegistry
    /// Made once each, since making one costs more than counting in it. There are as many as routes and their statuses.
    private let series = Mutex<[Key: Series]>([:])

    init(registry: PrometheusRegistry) { self.registry = registry }

    func count(method: HTTPRequest.Method, route: String, status: HTTPResponse.Status, duration: Duration) {
        // A method nobody knows is the caller's text: it must not become a label.
        let key = Key(
            method: RequestMeter.known.contains(method) ? method.rawValue : "other", route: route, status: status.code)
        let series = series.withLock { all in
            if let made = all[key] { return made }
            let made = make(key)
            all[key] = made
            return made
        }
        series.counter.increment()
        series.timer.recordNanoseconds(
            duration.components.seconds * 1_000_000_000 + duration.components.attoseconds / 1_000_000_000)
    }

    private func make(_ key: Key) -> Series {
        let dimensions = [("method", key.method), ("route", key.route)]
        return Series(
            counter: Counter(
                label: "http_requests_total", dimensions: dimensions + [("status", String(key.status))],
                factory: registry),
            timer: Metrics.Timer(label: "http_request_duration_seconds", dimensions: dimensions, factory: registry))
    }
}
