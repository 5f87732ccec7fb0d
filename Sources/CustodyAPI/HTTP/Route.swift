import CustodyWire
import HTTPTypes

/// What a listener does at one path with one method.
struct Route: Sendable {
    /// Who may ask.
    enum Access: Hashable, Sendable {
        /// Anybody; the handler checks what must be checked.
        case open
        /// Whoever has a platform's key with this scope.
        case platform(scope: String)
        /// Whoever has the deployment's admin token.
        case admin
    }

    /// Its method.
    let method: HTTPRequest.Method
    /// Its path, such as `/v1/orders/{id}`.
    let pattern: String
    /// Who may ask.
    let access: Access
    /// How many bytes its body may have.
    let bodyLimit: Int
    /// What it does.
    let handler: @Sendable (Call) async throws -> Reply

    /// The most bytes of an ordinary body: 1 MiB.
    static let ordinaryLimit = 1 << 20

    /// Makes a route.
    init(
        _ method: HTTPRequest.Method, _ pattern: String, _ access: Access, bodyLimit: Int = Route.ordinaryLimit,
        _ handler: @escaping @Sendable (Call) async throws -> Reply
    ) {
        self.method = method
        self.pattern = pattern
        self.access = access
        self.bodyLimit = bodyLimit
        self.handler = handler
    }
}

/// All routes of a listener, found by path first, so that a wrong method can be told from a wrong path.
struct RouteTable: Sendable {
    private enum Segment: Sendable {
        case literal(Substring)
        case parameter(String)

        init(_ text: Substring) {
            self = text.hasPrefix("{") ? .parameter(String(text.dropFirst().dropLast())) : .literal(text)
        }
    }

    private struct Place: Sendable {
        let segments: [Segment]
        var routes: [Route]

        /// How many segments it names itself: the more, the sooner it is tried.
        var literals: Int { segments.count { if case .literal = $0 { true } else { false } } }

        func parameters(in path: [Substring]) -> [String: String]? {
            // What costs nothing to compare comes first: most places are not the one.
            for (segment, part) in zip(segments, path) {
                if case .literal(let text) = segment, text != part { return nil }
            }
            var found: [String: String] = [:]
            for case (.parameter(let name), let part) in zip(segments, path) {
                guard let text = PercentEncoding.decoded(part), !text.isEmpty else { return nil }
                found[name] = text
            }
            return found
        }
    }

    /// All routes, as they were given.
    let routes: [Route]
    private let places: [Int: [Place]]

    /// Makes a table.
    init(_ routes: [Route]) {
        self.routes = routes
        var places: [String: Place] = [:]
        for route in routes {
            places[
                route.pattern,
                default: Place(segments: RouteTable.segments(route.pattern).map(Segment.init), routes: [])
            ]
            .routes.append(route)
        }
        self.places = Dictionary(grouping: places.values, by: \.segments.count)
            .mapValues { $0.sorted { $0.literals > $1.literals } }
    }

    /// The route of a request, and what its path holds.
    ///
    /// - Throws: ``Refusal/noSuchPath``, ``Refusal/methodNotAllowed(_:)``.
    func find(_ method: HTTPRequest.Method, _ path: String) throws -> (route: Route, parameters: [String: String]) {
        let segments = RouteTable.segments(path)
        for place in places[segments.count] ?? [] {
            guard let parameters = place.parameters(in: segments) else { continue }
            guard let route = place.routes.first(where: { $0.method == method }) else {
                throw Refusal.methodNotAllowed(place.routes.map(\.method))
            }
            return (route, parameters)
        }
        throw Refusal.noSuchPath
    }

    private static func segments(_ path: String) -> [Substring] {
        path.split(separator: "/", omittingEmptySubsequences: false)
    }
}
