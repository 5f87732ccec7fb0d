import HTTPTypes
import Metrics

/// Counts requests and times them, by route and status; never by path, which holds ids.
struct RequestMeter: Sendable {
    let registry: PrometheusRegistry

    func count(method: HTTPRequest.Method, route: String, status: HTTPResponse.Status, duration: Duration) {
        // A method nobody knows is the caller's text: it must not become a label.
        let known: [HTTPRequest.Method] = [.get, .post, .put, .patch, .delete, .head, .options]
        let dimensions = [("method", known.contains(method) ? method.rawValue : "other"), ("route", route)]
        Counter(
            label: "http_requests_total", dimensions: dimensions + [("status", String(status.code))], factory: registry
        ).increment()
        let nanoseconds = duration.components.seconds * 1_000_000_000 + duration.components.attoseconds / 1_000_000_000
        Metrics.Timer(label: "http_request_duration_seconds", dimensions: dimensions, factory: registry)
            .recordNanoseconds(nanoseconds)
    }
}
