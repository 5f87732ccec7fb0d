import CustodyWire
import Testing
import Yams

/// `openapi.yaml`, as far as answers are held to it.
enum Contract {
    static let document: JSON = {
        guard let node = try? Yams.compose(yaml: String(decoding: APIBench.contract, as: UTF8.self)) else {
            return .null
        }
        return json(node)
    }()

    /// All operations, as `get /v1/orders`.
    static var operations: Set<String> {
        var all: Set<String> = []
        for path in document["paths"]?.members ?? [] {
            for method in path.value.members ?? [] { all.insert("\(method.name) \(path.name)") }
        }
        return all
    }

    /// Records an issue when an answer is not what the contract says.
    static func check(_ method: String, _ path: String, _ answer: APIBench.Answer) {
        let plain = path.split(separator: "?").first.map(String.init) ?? path
        guard let operation = operation(method.lowercased(), plain) else {
            #expect(
                [404, 405].contains(answer.status),
                "\(method) \(plain) is not in the contract, but answered \(answer.status)")
            return
        }
        guard let response = operation["responses"]?[String(answer.status)].map(resolved) else {
            // What every operation may answer is not repeated in each.
            #expect(
                [400, 404].contains(answer.status), "\(method) \(plain) answered \(answer.status): not in the contract")
            return
        }
        let type = answer.headers["content-type"]?.split(separator: ";").first.map(String.init)
        guard let content = response["content"]?.members else {
            #expect(answer.body.isEmpty || plain.hasPrefix("/callbacks"))
            return
        }
        guard let schema = content.first(where: { $0.name == type })?.value["schema"] else {
            Issue.record("\(method) \(plain) answered \(answer.status) in \(type ?? "no type"): not in the contract")
            return
        }
        guard type?.hasSuffix("json") == true else { return }
        for violation in violations(of: schema, by: answer.json, at: "") {
            Issue.record("\(method) \(plain) \(answer.status): \(violation)")
        }
    }

    private static func operation(_ method: String, _ path: String) -> JSON? {
        let parts = path.split(separator: "/")
        let found = (document["paths"]?.members ?? []).filter { entry in
            let pattern = entry.name.split(separator: "/")
            return pattern.count == parts.count && zip(pattern, parts).allSatisfy { $0 == $1 || $0.hasPrefix("{") }
        }
        let best = found.min { $0.name.count { $0 == "{" } < $1.name.count { $0 == "{" } }
        return best?.value[method]
    }

    static func resolved(_ node: JSON) -> JSON {
        guard let target = node["$ref"]?.string else { return node }
        return target.split(separator: "/").dropFirst().reduce(document) { $0[String($1)] ?? .null }
    }

    /// What of a value is not as a schema says.
    static func violations(of schema: JSON, by value: JSON, at place: String) -> [String] {
        let schema = resolved(schema)
        var found: [String] = []
        if let choices = schema["oneOf"]?.array {
            let fitting = choices.filter { violations(of: $0, by: value, at: place).isEmpty }
            if fitting.count != 1 { found.append("\(place) fits \(fitting.count) of \(choices.count) forms") }
        }
        if let constant = schema["const"], constant != value { found.append("\(place) is not \(constant.text)") }
        if let words = schema["enum"]?.array, !words.contains(value) { found.append("\(place) is \(value.text)") }
        let types = schema["type"]?.array?.compactMap(\.string) ?? schema["type"]?.string.map { [$0] } ?? []
        if !types.isEmpty, !types.contains(where: { isType($0, value) }) {
            return found + ["\(place) is \(value.text), not \(types)"]
        }
        if let members = value.members {
            for name in schema["required"]?.array?.compactMap(\.string) ?? [] where value[name] == nil {
                found.append("\(place)/\(name) is missing")
            }
            for member in members {
                if let property = schema["properties"]?[member.name] {
                    found += violations(of: property, by: member.value, at: "\(place)/\(member.name)")
                } else if schema["additionalProperties"] == false {
                    found.append("\(place)/\(member.name) is not in the contract")
                }
            }
        }
        if let items = schema["items"] {
            for (index, element) in (value.array ?? []).enumerated() {
                found += violations(of: items, by: element, at: "\(place)/\(index)")
            }
        }
        return found
    }

    private static func isType(_ type: String, _ value: JSON) -> Bool {
        switch type {
        case "string": value.string != nil
        case "integer": value.integer != nil
        case "boolean": value.bool != nil
        case "array": value.array != nil
        case "object": value.members != nil
        case "null": value == .null
        default: false
        }
    }

    private static func json(_ node: Node) -> JSON {
        if let mapping = node.mapping {
            return .object(mapping.compactMap { key, value in key.string.map { JSON.Member($0, json(value)) } })
        }
        if let sequence = node.sequence { return .array(sequence.map(json)) }
        // A quoted scalar is a string, whatever it looks like.
        guard let scalar = node.scalar else { return .null }
        if scalar.style == .singleQuoted || scalar.style == .doubleQuoted { return .string(scalar.string) }
        if let flag = node.bool { return .bool(flag) }
        if let number = node.int { return JSON(number) }
        return node.null != nil ? .null : .string(scalar.string)
    }
}
