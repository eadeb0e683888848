//! Checks the templates of a channel when the configuration is read: each is compiled, and rendered with every sample.

use super::{
    MessageKind, NotificationContent,
    samples::samples,
    template::{MAX_TEMPLATE_CHARS, Medium, Renderer, TemplateProblem, Templates},
};

/// Finds what is wrong with the templates of a channel, by compiling them and rendering all samples.
pub fn check_templates(medium: Medium, templates: &Templates) -> Vec<TemplateProblem> {
    let too_long = |key, template: &Option<String>| {
        let is_long = template.as_ref().is_some_and(|text| text.chars().count() > MAX_TEMPLATE_CHARS);
        let message = format!("it is longer than {MAX_TEMPLATE_CHARS} characters");
        is_long.then_some(TemplateProblem { key, line: None, message })
    };
    let long: Vec<_> = [too_long("subject", &templates.subject), too_long("text", &templates.text)]
        .into_iter()
        .flatten()
        .collect();
    if !long.is_empty() {
        return long;
    }
    // Each is tried beside the default of the other, so that the mistakes of both are found.
    let subject = Templates { subject: templates.subject.clone(), text: None };
    let text = Templates { subject: None, text: templates.text.clone() };
    [check_subject(medium, &subject), check_text(medium, &text)].into_iter().flatten().collect()
}

fn check_subject(medium: Medium, templates: &Templates) -> Option<TemplateProblem> {
    let renderer = match Renderer::new(medium, templates) {
        Ok(renderer) => renderer,
        Err(problems) => return problems.into_iter().next(),
    };
    renderer
        .unknown_subject_variable()
        .or_else(|| first_problem("subject", |kind, content| renderer.subject(kind, content)))
}

fn check_text(medium: Medium, templates: &Templates) -> Option<TemplateProblem> {
    let renderer = match Renderer::new(medium, templates) {
        Ok(renderer) => renderer,
        Err(problems) => return problems.into_iter().next(),
    };
    renderer
        .unknown_text_variable()
        .or_else(|| first_problem("text", |kind, content| renderer.text(kind, content, "the subject")))
}

/// Finds the first sample that cannot be rendered, or is empty. Most other samples would report the same problem.
fn first_problem(
    key: &'static str,
    render: impl Fn(MessageKind, &NotificationContent) -> Result<String, TemplateProblem>,
) -> Option<TemplateProblem> {
    samples().into_iter().find_map(|(kind, content)| match render(kind, &content) {
        Err(problem) => Some(problem),
        Ok(text) if text.is_empty() => {
            let message = format!("it makes an empty {key} of a notification of the kind {}", kind.name());
            Some(TemplateProblem { key, line: None, message })
        }
        Ok(_) => None,
    })
}
