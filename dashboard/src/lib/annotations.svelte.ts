/** Annotations of days, which every chart shows. */
import { answered, daymark, type Annotation, type AnnotationContent } from "./api.ts";
import { refreshShown, Resource } from "./resource.svelte.ts";

/** All of them: there are few, and one answer serves every chart of a page. */
export const annotations = new Resource<Annotation[]>();

/** Asks for the annotations, and for news of them with everything else that is shown, until the returned function is called. */
export function showAnnotations(): () => void {
  annotations.show("annotations", async () => {
    const answer = await answered(daymark.GET("/api/v1/annotations", { params: { query: {} } }));
    return answer.annotations;
  });
  return annotations.attach();
}

export async function addAnnotation(body: AnnotationContent): Promise<void> {
  await answered(daymark.POST("/api/v1/annotations", { body }));
  await refreshShown();
}

export async function changeAnnotation(id: string, body: AnnotationContent): Promise<void> {
  await answered(daymark.PUT("/api/v1/annotations/{id}", { params: { path: { id } }, body }));
  await refreshShown();
}

export async function deleteAnnotation(id: string): Promise<void> {
  await answered(daymark.DELETE("/api/v1/annotations/{id}", { params: { path: { id } } }));
  await refreshShown();
}
