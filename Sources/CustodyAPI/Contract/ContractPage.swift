import Yams

/// The contract as one page: no scripts, nothing loaded from elsewhere.
struct ContractPage {
    /// The page.
    let html: String

    /// Renders a contract.
    init(contract: [UInt8]) throws {
        let document = try Yams.compose(yaml: String(decoding: contract, as: UTF8.self))
        var body = ""
        let info = document?["info"]
        body += "<h1>\(ContractPage.escaped(info?["title"]?.string ?? "API"))</h1>"
        body += "<p class=\"lead\">\(ContractPage.paragraphs(info?["description"]?.string ?? ""))</p>"
        body += "<p><a href=\"/openapi.yaml\">openapi.yaml</a></p>"
        var contents = ""
        var sections = ""
        for (path, item) in ContractPage.members(document?["paths"]) {
            for (method, operation) in ContractPage.members(item) where operation["operationId"] != nil {
                let id = operation["operationId"]?.string ?? ""
                let title = "<b>\(method.uppercased())</b> <code>\(ContractPage.escaped(path))</code>"
                contents += "<li><a href=\"#\(ContractPage.escaped(id))\">\(title)</a></li>"
                sections += "<section id=\"\(ContractPage.escaped(id))\"><h2>\(title)</h2>"
                sections += ContractPage.operation(operation) + "</section>"
            }
        }
        var schemas = ""
        for (name, schema) in ContractPage.members(document?["components"]?["schemas"]) {
            schemas += "<section id=\"schema-\(ContractPage.escaped(name))\"><h2>\(ContractPage.escaped(name))</h2>"
            schemas += ContractPage.schema(schema) + "</section>"
        }
        html = """
            <!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
            <title>\(ContractPage.escaped(info?["title"]?.string ?? "API"))</title><style>\(ContractPage.style)</style></head>
            <body>\(body)<nav><ul>\(contents)</ul></nav>\(sections)<h1>Schemas</h1>\(schemas)</body></html>
            """
    }

    private static func operation(_ operation: Node) -> String {
        var html = "<p>\(paragraphs(operation["summary"]?.string ?? ""))</p>"
        if let text = operation["description"]?.string { html += "<p>\(paragraphs(text))</p>" }
        let body = operation["requestBody"]?["content"]?["application/json"]?["schema"]
        if let body { html += "<p>Body: \(reference(body))</p>" }
        html += "<table>"
        for (status, response) in members(operation["responses"]) {
            let schema = members(response["content"]).first.flatMap { $0.1["schema"] }
            let text =
                response["description"]?.string ?? response["$ref"]?.string?.split(separator: "/").last.map(String.init)
            html += "<tr><td>\(escaped(status))</td><td>\(escaped(text ?? ""))</td>"
            html += "<td>\(schema.map(reference) ?? "")</td></tr>"
        }
        return html + "</table>"
    }

    private static func schema(_ schema: Node) -> String {
        var html = "<p>\(paragraphs(schema["description"]?.string ?? ""))</p><table>"
        let required = Set((schema["required"]?.array() ?? []).compactMap(\.string))
        for (name, property) in members(schema["properties"]) {
            html += "<tr><td><code>\(escaped(name))</code>\(required.contains(name) ? " *" : "")</td>"
            html += "<td>\(reference(property))</td><td>\(paragraphs(property["description"]?.string ?? ""))</td></tr>"
        }
        return html + "</table>"
    }

    /// What a schema is, in a word or a link.
    private static func reference(_ schema: Node) -> String {
        if let name = schema["$ref"]?.string?.split(separator: "/").last {
            return "<a href=\"#schema-\(escaped(String(name)))\">\(escaped(String(name)))</a>"
        }
        if let items = schema["items"] { return "array of \(reference(items))" }
        if let words = schema["enum"]?.array() {
            return words.compactMap(\.string).map { "<code>\(escaped($0))</code>" }.joined(separator: ", ")
        }
        let types = schema["type"]?.array().compactMap(\.string) ?? []
        return escaped(schema["type"]?.string ?? types.joined(separator: " or "))
    }

    private static func members(_ node: Node?) -> [(String, Node)] {
        (node?.mapping ?? [:]).compactMap { key, value in key.string.map { ($0, value) } }
    }

    private static func paragraphs(_ text: String) -> String { escaped(text).replacing("\n\n", with: "</p><p>") }

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
            .replacing("\"", with: "&quot;")
    }

    private static let style = """
        body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
        code{background:#eef1f4;padding:.1em .3em;border-radius:3px}table{border-collapse:collapse;width:100%}
        td{border-top:1px solid #d8dee4;padding:.3em .6em;vertical-align:top}nav ul{columns:2;list-style:none;padding:0}
        h2{margin-top:2rem;font-size:1.1rem}a{color:#0a58ca}
        @media (prefers-color-scheme:dark){body{background:#14171a;color:#e6e9ec}code{background:#262b30}a{color:#7db3ff}}
        """
}
